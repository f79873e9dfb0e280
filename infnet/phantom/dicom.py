"""Write a study as a DICOM series of single CT slices."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError
from infnet.study import Study

SQUARE_TOLERANCE = 1e-4  # cosine between rows and columns above which they are not square to each other


def write_dicom(study: Study, folder: str | Path, *, orientation: tuple[float, ...] | None = None) -> list[Path]:
    """Write one CT Image Storage file per slice; the paths in slice order, under names that tell no order.

    orientation: six direction cosines (along a row, then along a column) that replace those of the study's affine;
    the pixels are kept, so the patient is turned. Explicit VR little endian, int16 HU, neutral patient.
    Raises GeometryError where the study has no HU, no affine, or an affine that a CT series cannot carry (rows not
    square to columns). Slices that lean off their normal, as with a tilted gantry, are written as they are.
    """
    affine = _turned(study, orientation)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    series = _uid(study.name, affine, "series")
    for index in range(len(study.pixels)):
        dataset = _slice(study, affine, index, series)
        # Archives name files by hash: no reader may lean on the name.
        path = folder / f"{hashlib.sha256(dataset.SOPInstanceUID.encode()).hexdigest()[:12]}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _turned(study: Study, orientation: tuple[float, ...] | None) -> NDArray[np.float64]:
    if study.affine is None or not study.is_hu:
        raise GeometryError(f"{study.name}: a picture without HU and millimetres makes no CT series; give a CT study")
    affine = study.affine.copy()
    spacing = np.array(study.spacing)
    if orientation is not None:
        along_row, along_column = np.array(orientation[:3], float), np.array(orientation[3:6], float)
        affine[:3, 2], affine[:3, 1] = along_row * spacing[2], along_column * spacing[1]
        affine[:3, 0] = np.cross(along_row, along_column) * spacing[0]
    columns_down, rows_along = affine[:3, 1] / spacing[1], affine[:3, 2] / spacing[2]
    if abs(rows_along @ columns_down) > SQUARE_TOLERANCE:
        raise GeometryError(f"{study.name}: rows and columns are not square to each other; resample the study")
    return affine


def _uid(*parts: object) -> str:
    """A UID under 2.25 that depends on the content only, so that one phantom gives the same files."""
    text = "/".join(p.tobytes().hex() if isinstance(p, np.ndarray) else str(p) for p in parts)
    return f"2.25.{int(hashlib.sha256(text.encode()).hexdigest()[:31], 16)}"


def _slice(study: Study, affine: NDArray[np.float64], index: int, series: str) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
    from pydicom.valuerep import format_number_as_ds

    def number(value: float) -> str:
        return format_number_as_ds(round(float(value), 9) + 0.0)

    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    along_row, along_column = affine[:3, 2] / spacing[2], affine[:3, 1] / spacing[1]
    between = abs(float(np.cross(along_row, along_column) @ affine[:3, 0]))
    position = affine[:3, 3] + index * affine[:3, 0]
    image = np.clip(np.rint(study.pixels[index]), -32768 + 1024, 32767 - 1024).astype("<i2") + np.int16(1024)

    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, _uid(series, index)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20200101"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "120000"
    ds.AccessionNumber, ds.Modality, ds.Manufacturer = "", "CT", "InfNet phantom"
    ds.ReferringPhysicianName, ds.StudyDescription, ds.SeriesDescription = "", "Synthetic chest", "Phantom"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^Chest", "PHANTOM", "", "O"
    ds.PatientPosition, ds.KVP, ds.SliceThickness = "HFS", "120", number(between)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _uid(series, "study"), series
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = _uid(series, "frame"), ""
    ds.StudyID, ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = "1", "1", "1", str(index + 1)
    ds.ImagePositionPatient = [number(v) for v in position]
    ds.ImageOrientationPatient = [number(v) for v in (*along_row, *along_column)]
    ds.PixelSpacing = [number(spacing[1]), number(spacing[2])]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "-600", "1500"
    ds.PixelData = image.tobytes()
    return ds
