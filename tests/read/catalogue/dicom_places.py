"""DICOM whose slices lie oddly, belong to several patients, or are no slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.read.catalogue.dicom import element, put, series, slices, tags
from tests.read.catalogue.kind import Makers

OTHER = "1.2.826.0.1.3680043.8.498.2"


def moved(**at: float) -> Callable[[Dataset, int], None]:
    """Move slices along the patient: `s2=30.0` moves the third by 30 mm."""

    def edit(dataset: Dataset, index: int) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + at.get(f"s{index}", 0.0)]

    return edit


def beside(*more: Callable[[list[Dataset]], Dataset]) -> Callable[[Path], Path]:
    """The series, and further files made from its slices."""

    def make(folder: Path) -> Path:
        series()(folder)
        for number, change in enumerate(more):
            dataset = change(slices())
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(number)])
            put(dataset, folder / f"more{number}")
        return folder

    return make


def changed(index: int, **values: Any) -> Callable[[list[Dataset]], Dataset]:
    def change(datasets: list[Dataset]) -> Dataset:
        tags(**values)(datasets[index], index)
        return datasets[index]

    return change


def at_place_of(index: int, pixels: int) -> Callable[[list[Dataset]], Dataset]:
    """A slice at the place of one, with the pixels of another."""

    def change(datasets: list[Dataset]) -> Dataset:
        datasets[index].PixelData = datasets[pixels].PixelData
        return datasets[index]

    return change


def tilted(dataset: Dataset, index: int) -> None:
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0.966, 0.259]


def spread(dataset: Dataset, index: int) -> None:
    dataset.ImagePositionPatient = [0, 0, 500.0 * index]


def another_patient(dataset: Dataset, index: int) -> None:
    if index > 1:
        dataset.PatientID, dataset.PatientName = "4711", "Somebody^Else"


SCOUT = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
NO_PLACE = "a place in the patient that makes no sense"
MAKERS: Makers = {
    "no positions": series(tags(ImagePositionPatient=None)),
    "positions of two values": series(raw=element("20003200", b"DS", b"1\\2 ")),
    "positions that are no numbers": series(raw=element("20003200", b"DS", b"a\\b\\c ")),
    "positions of 1e9 mm": series(tags(ImagePositionPatient=[0, 0, 1e9])),
    "directions of zero": series(tags(ImageOrientationPatient=[0] * 6)),
    "directions not at a right angle": series(tags(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])),
    "one slice with a damaged position": series(only=1, raw=element("20003200", b"DS", b"1\\2 ")),
    "PixelSpacing of 1e9 mm": series(tags(PixelSpacing=[1e9, 1e9])),
    "PixelSpacing negative": series(tags(PixelSpacing=[-1, 1])),
    "PixelSpacing missing": series(tags(PixelSpacing=None)),
    "slices 500 mm apart": series(spread),
    "a slice missing": series(moved(s3=10.0)),
    "slices unevenly spaced": series(moved(s2=3.0)),
    "a tilted gantry": series(tilted),
    "coronal slices": series(tags(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])),
    "a slice twice": beside(at_place_of(1, 1)),
    "a different slice at one place": beside(at_place_of(1, 2)),
    "different slices at most places": beside(*(at_place_of(i, 3 - i) for i in range(4))),
    "two patients under one series number": series(another_patient),
    "two patients in two series": beside(changed(0, SeriesInstanceUID=OTHER, PatientID="4711")),
    "two series of one patient": beside(changed(0, SeriesInstanceUID=OTHER)),
    "slices of another size in the series": series(
        lambda ds, i: tags(Rows=32, PixelData=ds.PixelData[: 32 * 64 * 2])(ds, i), only=3
    ),
    "a projection (MIP)": series(tags(ImageType=["DERIVED", "SECONDARY", "MIP"])),
    "a scout beside the slices": beside(changed(0, **SCOUT)),
    "scouts only": series(tags(**SCOUT)),
    "a perfusion map": series(tags(ImageType=["DERIVED", "PRIMARY", "PERFUSION"])),
    "MR": series(tags(Modality="MR")),
    "a modality of control characters": series(tags(Modality="\x1b[2J")),
    "no modality": series(tags(Modality=None, SOPClassUID=None)),
    "a structure set": series(tags(Modality="RTSTRUCT")),
    "a DICOMDIR": series(tags(SOPClassUID="1.2.840.10008.1.3.10")),
    "a secondary capture": series(tags(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")),
    "one slice": lambda folder: put(slices()[1], folder / "x"),
    "slices without patient beside slices with": series(tags(PatientID=None, PatientName=None), only=0),
}
