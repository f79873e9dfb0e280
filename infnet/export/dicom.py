"""Results as DICOM, in the study that they were made of: segmentation (SEG), structured report (SR), PDF, pictures.

They carry the patient's data of the source, as DICOM demands of files that go back to it, or none after `deidentified`.
Their UIDs come from the source's, the weights and the settings: the same run twice is one result, not two.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.export.dicom_source import MANUFACTURER, Source, identity, source_of, uid
from infnet.geometry.grid import check_same
from infnet.overlay import COLOURS
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO, Segmentation, Study
from infnet.version import __version__

MODEL = "infnet"
SERIES_NUMBERS = {"segmentation": 9001, "report": 9002, "page": 9003, "captures": 9004}
# Part 16 of the standard, and SNOMED CT: value, scheme, meaning.
ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")
LUNG = ("39607008", "SCT", "Lung")
FINDINGS = {
    GGO: ("112120", "DCM", "Ground glass opacity"),
    CONSOLIDATION: ("95436008", "SCT", "Lung consolidation"),
}
OF_THE_PATIENT_AND_STUDY = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
    "ReferringPhysicianName",
)


def segmentation(study: Study, result: Segmentation) -> Any:
    """A SEG dataset (BINARY) with a segment for each class that is present; None where no lesion is.

    Raises InfNetError where none can be made of the study.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    check_same(study, result)
    source = source_of(study)
    present = [code for code in CLASS_NAMES if (result.labels == code).any()]
    if not present:
        return None
    algorithm = hd.AlgorithmIdentificationSequence(
        "infnet", codes.cid7162.ArtificialIntelligence, __version__, parameters=weights_of(result)
    )
    kinds = hd.seg.SegmentAlgorithmTypeValues
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=CLASS_NAMES[code],
            segmented_property_category=code_of(ABNORMAL),
            segmented_property_type=code_of(FINDINGS[code]),
            algorithm_type=kinds.AUTOMATIC if result.before is None else kinds.SEMIAUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=uid(f"tracking {code}", study, result),
            tracking_id=CLASS_NAMES[code],
            anatomic_regions=[code_of(LUNG)],
            display_color=hd.color.CIELabColor.from_rgb(*COLOURS[code]),
        )
        for number, code in enumerate(present, 1)
    ]
    dataset = hd.seg.Segmentation(
        source_images=source.files,
        pixel_array=_on_the_source(source, result.labels, present),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_number=SERIES_NUMBERS["segmentation"],
        content_label="LESIONS",
        content_description="COVID-19 lung lesions, research use only",
        omit_empty_frames=True,
        manufacturer_model_name=MODEL,
        software_versions=__version__,
        device_serial_number=__version__,
        **identity("segmentation", study, result),
    )
    dataset.SeriesDescription = "infnet lesions (research use only)"
    return dataset


def _on_the_source(source: Source, labels: NDArray[np.uint8], present: list[int]) -> NDArray[np.uint8]:
    """Segment numbers (frame, row, column) in the order of the source's files and frames."""
    numbers = np.zeros(256, np.uint8)
    numbers[present] = range(1, len(present) + 1)
    if len(source.files) > 1:
        return numbers[labels]
    count = int(source.files[0].get("NumberOfFrames") or 1)
    placed = np.zeros((count, *labels.shape[1:]), np.uint8)
    for plane, (_, frame) in zip(labels, source.frames, strict=True):
        placed[frame] = numbers[plane]
    return placed


def encapsulated(study: Study, result: Segmentation, pdf: bytes) -> Any:
    """A PDF as an encapsulated document of the study. Raises InfNetError where none can be made of the study."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

    header = source_of(study).files[0]
    dataset = Dataset()
    for keyword in OF_THE_PATIENT_AND_STUDY:
        if keyword in header:
            dataset[keyword] = copy.deepcopy(header[keyword])
    own = identity("page", study, result)
    now = datetime.now().astimezone()
    dataset.SOPClassUID, dataset.SOPInstanceUID = EncapsulatedPDFStorage, own["sop_instance_uid"]
    dataset.SeriesInstanceUID, dataset.SeriesNumber = own["series_instance_uid"], SERIES_NUMBERS["page"]
    dataset.InstanceNumber, dataset.Modality, dataset.ConversionType = 1, "DOC", "WSD"
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, MODEL
    dataset.SoftwareVersions = __version__
    dataset.SeriesDescription = "infnet report (research use only)"
    dataset.ContentDate, dataset.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset.AcquisitionDateTime, dataset.BurnedInAnnotation = "", "NO"
    dataset.DocumentTitle, dataset.ConceptNameCodeSequence = "COVID-19 lung lesions, research use only", []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def captures(study: Study, result: Segmentation, pictures: Iterable[tuple[int, NDArray[np.uint8]]]) -> dict[int, Any]:
    """Pictures of upright slices (number, RGB) as Secondary Capture datasets of one series, by number.

    Raises InfNetError where none can be made of the study.
    """
    import highdicom as hd
    from pydicom.uid import ExplicitVRLittleEndian

    header = source_of(study).files[0]
    _, row_mm, column_mm = study.orientation.spacing(study.spacing)
    own = identity("captures", study, result)
    datasets = {}
    for number, picture in pictures:
        own["sop_instance_uid"], own["instance_number"] = uid(f"capture {number}", study, result), number
        dataset = datasets[number] = hd.sc.SCImage.from_ref_dataset(
            header,
            pixel_array=picture,
            photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
            bits_allocated=8,
            coordinate_system=hd.CoordinateSystemNames.PATIENT,
            patient_orientation=("L", "P"),
            pixel_spacing=(row_mm, column_mm),  # type: ignore[arg-type]  # said to be int; the constructor takes float
            series_number=SERIES_NUMBERS["captures"],
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **own,
        )
        dataset.SeriesDescription = "infnet overlay (research use only)"
        dataset.ManufacturerModelName, dataset.SoftwareVersions = MODEL, __version__
        dataset.BurnedInAnnotation, dataset.Laterality = "NO", ""
    return datasets


def save(dataset: Any, path: Path) -> Path:
    """Write a dataset as a DICOM file."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def weights_of(result: Segmentation) -> dict[str, str]:
    models = result.provenance.get("models", {})
    by_hand = {"corrected": result.provenance["corrected"]} if "corrected" in result.provenance else {}
    return {role: f"{facts['name']} {facts['sha256'][:12]}" for role, facts in models.items()} | by_hand


def code_of(parts: tuple[str, str, str]) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(*parts)
