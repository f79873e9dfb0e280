from __future__ import annotations

import pytest

from infnet.errors import InfNetError
from train import data
from train.data import folds, held_out


def test_slices_of_one_patient_fall_on_one_side(root):
    examples = data.labelled(root)
    groups = {e.name: e.group for e in examples}
    assert groups["4"] == groups["5"] != groups["1"]
    assert groups["10"] == groups["43"]
    for fold in range(3):
        train, validation = held_out(examples, fold, 3)
        assert validation
        assert not {e.group for e in train} & {e.group for e in validation}
        assert len(train) + len(validation) == len(examples)


def test_folds_need_enough_groups():
    with pytest.raises(InfNetError, match="2 groups: too few for 5 folds"):
        folds(["a", "b", "a"])


def test_split_record_names_every_slice_once(root):
    train, validation = held_out(data.labelled(root), 0, 3)
    record = data.split_record({"labelled": train}, {"labelled": validation})
    names = [n for part in record.values() for groups in part.values() for group in groups.values() for n in group]
    assert sorted(names) == sorted(e.name for e in data.labelled(root))
