"""Training slices read into memory, in the one convention of `infnet.pipeline.inputs`, and splits of them by patient.

Every reader returns `Example`s: an upright grey slice cropped a little wider than the lungs, its mask, the lung box
inside it, and the group (patient or volume) by which splits are made. To add a data set, write a reader that returns
Examples, or lay it out as `folder` reads it.

    files          folders of pictures, and how a picture or a mask is decoded
    example        `Example`, and how a slice becomes one
    covid_semiseg  COVID-SemiSeg: labelled, unlabelled and pseudo-labelled slices
    folders        full-field slices: your own, patients with lesions, and scans without infection
    lungs          full-field slices with lung masks
    splits         folds of groups, and the record of a split
"""

from train.data.covid_semiseg import (
    as_file,
    dataset_folder,
    from_file,
    in_dataset,
    labelled,
    pseudo_labelled,
    training_set,
    unlabelled,
)
from train.data.example import STORED, Example
from train.data.files import data_root
from train.data.folders import clear, coronacases, folder, hounsfield, infection_free, lesion_free, medseg_volumes
from train.data.lungs import lung_masks
from train.data.splits import folds, held_out, leave_one_out, split_record

__all__ = [
    "STORED",
    "Example",
    "as_file",
    "clear",
    "coronacases",
    "data_root",
    "dataset_folder",
    "folder",
    "folds",
    "from_file",
    "held_out",
    "hounsfield",
    "in_dataset",
    "infection_free",
    "labelled",
    "leave_one_out",
    "lesion_free",
    "lung_masks",
    "medseg_volumes",
    "pseudo_labelled",
    "split_record",
    "training_set",
    "unlabelled",
]
