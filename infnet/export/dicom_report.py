"""The numbers of a result as a DICOM structured report (Comprehensive SR, TID 1500).

One group of measurements a class that is present, tied to its segment, and one for the lungs as a whole, which is there
where nothing was found, too. What DICOM and SNOMED CT have no code for is coded by 99INFNET.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infnet.export.dicom import FINDINGS, LUNG, MODEL, SERIES_NUMBERS, code_of, segmentation, weights_of
from infnet.export.dicom_source import MANUFACTURER, identity, source_of, uid
from infnet.measure.severity import study_severity
from infnet.measure.statistics import Load, Region, Statistics, measure
from infnet.study import CLASS_NAMES, LEFT, RIGHT, Segmentation, Study
from infnet.version import __version__

CHEST_CT = ("169069000", "SCT", "Computed tomography of chest")
LESION = ("52988006", "SCT", "Lesion")
VOLUME = ("118565006", "SCT", "Volume")
COUNT = ("246206008", "SCT", "Number of lesions")
LUNG_VOLUME = ("LUNGVOLUME", "99INFNET", "Volume of lung, lesions included")
SHARE = ("INVOLVEMENT", "99INFNET", "Lesion as a share of the lung")
SEVERITY = ("SEVERITY", "99INFNET", "Severity estimate, 0 to 5 a lung by its share of lesion")
ML, PERCENT, ONE = ("ml", "UCUM", "milliliter"), ("%", "UCUM", "percent"), ("1", "UCUM", "no units")
SIDES = {RIGHT: ("24028007", "SCT", "Right"), LEFT: ("7771000", "SCT", "Left")}


def report(study: Study, result: Segmentation, statistics: Statistics | None = None, seg: Any = None) -> Any:
    """A Comprehensive SR dataset of a result.

    statistics, seg: of `measure` and `infnet.export.dicom.segmentation`, made here where not given. Raises InfNetError
    where none can be made of the study.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    statistics = statistics or measure(study, result)
    seg = seg if seg is not None else segmentation(study, result)
    source = source_of(study)
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=uid("device", study, result), name="infnet", manufacturer_name=MANUFACTURER, model_name=MODEL
    )
    observer = hd.sr.ObserverContext(codes.DCM.Device, device)
    algorithm = hd.sr.AlgorithmIdentification(
        "infnet", __version__, [f"{role}: {name}" for role, name in weights_of(result).items()]
    )
    groups = [_whole(study, result, statistics, algorithm)]
    present = [] if seg is None else [code for code in CLASS_NAMES if statistics.total.by_class[code].lesion_voxels]
    for number, code in enumerate(present, 1):
        groups.append(
            hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                hd.sr.TrackingIdentifier(uid(f"tracking {code}", study, result), CLASS_NAMES[code]),
                referenced_segment=hd.sr.ReferencedSegment(
                    seg.SOPClassUID,
                    seg.SOPInstanceUID,
                    number,
                    source_series=hd.sr.SourceSeriesForSegmentation(source.files[0].SeriesInstanceUID),
                ),
                finding_type=code_of(FINDINGS[code]),
                finding_sites=[hd.sr.FindingSite(code_of(LUNG))],
                algorithm_id=algorithm,
                measurements=list(_by_side(statistics, lambda region, code=code: region.by_class[code])),
            )
        )
    content = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_device_context=observer), code_of(CHEST_CT), groups
    )
    dataset = hd.sr.ComprehensiveSR(
        evidence=[*([] if seg is None else [seg]), *source.files],
        content=content[0],
        series_number=SERIES_NUMBERS["report"],
        is_complete=True,
        **identity("report", study, result),
    )
    dataset.SeriesDescription = "infnet measurements (research use only)"
    dataset.ManufacturerModelName, dataset.SoftwareVersions = MODEL, __version__
    return dataset


def _whole(study: Study, result: Segmentation, statistics: Statistics, algorithm: Any) -> Any:
    """The group of both lungs and both classes."""
    import highdicom as hd

    severity = study_severity(statistics)
    measurements = [
        *_by_side(statistics, lambda region: region.lesion, lungs=True),
        _measurement(COUNT, statistics.lesion_count, ONE),
        *(_measurement(SEVERITY, s.score, ONE, side) for side, s in severity.by_lung.items() if s is not None),
    ]
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(uid("tracking all", study, result), "all lesions"),
        finding_type=code_of(LESION),
        finding_sites=[hd.sr.FindingSite(code_of(LUNG))],
        algorithm_id=algorithm,
        measurements=measurements,
    )


def _by_side(statistics: Statistics, load_of: Any, lungs: bool = False) -> Iterator[Any]:
    """Volumes and shares of the whole study and of each lung; those that are unknown are left out."""
    regions: list[tuple[int | None, Region]] = [(None, statistics.total), *statistics.by_lung.items()]
    for side, region in regions:
        load: Load = load_of(region)
        if load.lesion_ml is not None:
            yield _measurement(VOLUME, load.lesion_ml, ML, side)
        if lungs and load.lung_ml is not None:
            yield _measurement(LUNG_VOLUME, load.lung_ml, ML, side)
        if load.involvement_percent is not None:
            yield _measurement(SHARE, load.involvement_percent, PERCENT, side)


def _measurement(name: tuple[str, str, str], value: float, unit: tuple[str, str, str], side: int | None = None) -> Any:
    import highdicom as hd

    sites = None if side is None else [hd.sr.FindingSite(code_of(LUNG), laterality=code_of(SIDES[side]))]
    return hd.sr.Measurement(code_of(name), round(value, 4), code_of(unit), finding_sites=sites)
