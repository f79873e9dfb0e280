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


def test_of_few_patients_each_fold_leaves_one_out(volumes):
    examples = data.medseg_volumes(volumes)
    for fold, out in ((0, "medseg1"), (1, "medseg9"), (2, "medseg1")):
        train, validation = data.leave_one_out(examples, fold)
        assert {e.group for e in validation} == {out}
        assert out not in {e.group for e in train}
        assert len(train) + len(validation) == len(examples)
    assert data.leave_one_out(examples, -1) == (examples, [])


def test_split_record_names_every_slice_once(root):
    train, validation = held_out(data.labelled(root), 0, 3)
    record = data.split_record({"labelled": train}, {"labelled": validation})
    names = [n for part in record.values() for groups in part.values() for group in groups.values() for n in group]
    assert sorted(names) == sorted(e.name for e in data.labelled(root))
