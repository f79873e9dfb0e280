"""The words of the page in English and German, and numbers as each language writes them."""

from __future__ import annotations

from dataclasses import dataclass

from infnet.measure.correct import Corrected
from infnet.measure.statistics import Load

LANGUAGES = ("en", "de")
WORDS = {
    "en": {
        "title": "Lung lesions in chest CT (COVID-19 model)",
        "banner": "RESEARCH USE ONLY - not a medical device, not for diagnosis",
        "study": "Study",
        "slices": "{count} slices of {rows} x {columns} pixels",
        "spacing": "{0} x {1} x {2} mm (slice, row, column)",
        "no spacing": "no millimetres",
        "right": "Right lung",
        "left": "Left lung",
        "total": "Total",
        "ggo": "Ground-glass opacity",
        "consolidation": "Consolidation",
        "lesion": "All lesion",
        "lung": "Lung",
        "count": "Lesions",
        "severity": "Severity estimate (0 to 5)",
        "range": "Involvement at thresholds of {0} to {1}: {2} to {3} %",
        "change": "Change since the earlier study",
        "corrected": "Corrected by a person: {0} voxels of lesion, +{2} / -{3}, {1} voxels of the lungs; the networks' "
        "own: {4}",
        "warnings": "Warnings",
        "none": "none",
        "more": "{count} more",
        "made": "Made by infnet {version}; infection from a probability of {threshold}, consolidation from a share of "
        "{share}",
        "slice": "Slice {number} of {count}",
        "coronal": "Coronal {number} of {count}",
        "outline": "Lung",
    },
    "de": {
        "title": "Lungenläsionen im Thorax-CT (COVID-19-Modell)",
        "banner": "NUR FÜR DIE FORSCHUNG - kein Medizinprodukt, nicht zur Diagnose",
        "study": "Untersuchung",
        "slices": "{count} Schichten mit {rows} x {columns} Pixeln",
        "spacing": "{0} x {1} x {2} mm (Schicht, Zeile, Spalte)",
        "no spacing": "ohne Millimeterangaben",
        "right": "Rechte Lunge",
        "left": "Linke Lunge",
        "total": "Gesamt",
        "ggo": "Milchglastrübung",
        "consolidation": "Konsolidierung",
        "lesion": "Läsion gesamt",
        "lung": "Lunge",
        "count": "Läsionen",
        "severity": "Schweregrad, geschätzt (0-5)",
        "range": "Befall bei Schwellen von {0} bis {1}: {2} bis {3} %",
        "change": "Änderung seit der früheren Untersuchung",
        "corrected": "Von Hand korrigiert: {0} Voxel der Läsionen, +{2} / -{3}, {1} Voxel der Lungen; von den Netzen: "
        "{4}",
        "warnings": "Hinweise (englisch)",
        "none": "keine",
        "more": "{count} weitere",
        "made": "Erstellt mit infnet {version}; Infektion ab Wahrscheinlichkeit {threshold}, Konsolidierung ab Anteil "
        "{share}",
        "slice": "Schicht {number} von {count}",
        "coronal": "Koronar {number} von {count}",
        "outline": "Lunge",
    },
}


@dataclass(frozen=True)
class Words:
    """The words of a language, and numbers as it writes them."""

    language: str

    def __call__(self, name: str, *places: object, **values: object) -> str:
        return WORDS[self.language][name].format(*places, **values)

    def number(self, value: float, digits: int = 1, sign: str = "-") -> str:
        text = f"{round(value, digits) + 0.0:{sign},.{digits}f}"
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def amount(self, load: Load, of_lung: bool = False) -> str:
        """Lesion (or lung) in ml, else mm2, else pixels."""
        ml, mm2 = (load.lung_ml, load.lung_mm2) if of_lung else (load.lesion_ml, load.lesion_mm2)
        if ml is not None:
            return f"{self.number(ml)} ml"
        if mm2 is not None:
            return f"{self.number(mm2, 0)} mm²"
        return f"{self.number(load.lung_voxels if of_lung else load.lesion_voxels, 0)} px"

    def change(self, corrected: Corrected, voxels: int) -> str:
        """What was added or removed by hand, in ml, else mm2, else pixels."""
        if corrected.voxel_ml is not None:
            return f"{self.number(voxels * corrected.voxel_ml, 2)} ml"
        if corrected.pixel_mm2 is not None:
            return f"{self.number(voxels * corrected.pixel_mm2, 0)} mm²"
        return f"{self.number(voxels, 0)} px"

    def percent(self, value: float | None) -> str:
        return "-" if value is None else f"{self.number(value)} %"
