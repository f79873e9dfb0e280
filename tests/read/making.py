"""Small DICOM series for the tests, written by pydicom, without any symmetry."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING = (0.7, 0.8)  # mm between rows, between columns
STEP = 2.5
ORIGIN = (-100.0, -90.0, -300.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = "1.2.826.0.1.3680043.8.498.1"


def hu_volume(slices: int = 6, rows: int = 24, columns: int = 32) -> np.ndarray:
    """int16 HU (slice, row, column) from -1000 to 500: noise, a ramp along every axis, and a corner block."""
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:slices, :rows, :columns]
    hu = -1000 + 40 * z + 10 * y + 3 * x + rng.integers(0, 60, z.shape)
    hu[slices // 2 :, : rows // 3, : columns // 5] = 500
    return hu.astype(np.int16)


def ct_slice(hu: np.ndarray, position=ORIGIN, orientation=AXIAL, number: int = 1, **tags) -> Dataset:
    """One CT slice, stored unsigned with an intercept of -1024. `tags` are set afterwards; None deletes one."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = SERIES, SERIES + ".1", SERIES + ".2"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 3, number, 1
    ds.PatientName, ds.PatientID = "Doe^Jane", "PID4711"
    ds.SeriesDescription, ds.Manufacturer, ds.SliceThickness = "Lung 2.5", "Maker", 5.0
    ds.ImagePositionPatient = [round(float(v), 6) for v in position]
    ds.ImageOrientationPatient = [round(float(v), 8) for v in orientation]
    ds.PixelSpacing = list(SPACING)
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = hu.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = (hu.astype(np.int32) + 1024).astype("<u2").tobytes()
    set_tags(ds, tags)
    return ds


def set_tags(ds: Dataset, tags: Mapping[str, Any]) -> None:
    """Set tags; None removes one."""
    for keyword, value in tags.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)


def save(ds: Dataset, path: Path) -> Path:
    """Write `ds` as its own transfer syntax says; big endian pixels are swapped here."""
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax == pydicom.uid.ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    if not syntax.is_encapsulated:
        ds["PixelData"].VR = "OW"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def save_series(folder: Path, hu: np.ndarray, positions=None, orientation=AXIAL, **tags) -> Path:
    """Write slices in shuffled order under names without sense or ending."""
    folder.mkdir(parents=True, exist_ok=True)
    order = list(range(len(hu)))
    random.Random(5).shuffle(order)
    if positions is None:
        positions = along(len(hu), orientation)
    for name, index in enumerate(order):
        save(ct_slice(hu[index], positions[index], orientation, index + 1, **tags), folder / f"IM{name}")
    return folder


def along(count: int, orientation=AXIAL, step: float = STEP) -> np.ndarray:
    """Positions (count, 3) from ORIGIN along the normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array(ORIGIN) + np.outer(np.arange(count) * step, normal)


def enhanced(hu: np.ndarray, positions: np.ndarray, intercepts: list[int], orientation=AXIAL) -> Dataset:
    """An enhanced multi-frame CT with a position and a rescale of its own for every frame."""
    ds = ct_slice(hu[0], orientation=orientation, NumberOfFrames=len(hu))
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    del ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept
    stored = [frame.astype(np.int32) - intercept for frame, intercept in zip(hu, intercepts, strict=True)]
    ds.PixelData = np.array(stored).astype("<u2").tobytes()
    plane, measures, shared = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = list(orientation)
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 9.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    frames = []
    for position, intercept in zip(positions, intercepts, strict=True):
        plane, values, frame = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = [round(float(v), 6) for v in position]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, intercept, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [plane], [values]
        frames.append(frame)
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    return ds
