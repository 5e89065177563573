"""The bug clinic: runs that are broken on purpose, each beside the same run without the bug.

    from zh import clinic
    patient = clinic.admit("nearly-zero")      # trains it twice: broken, and right
    patient                                    # what a learner would bring
    patient.diagnosis                          # what zh.diagnostics says
    patient.fix                                # the line that was wrong, and the right one

`case` says what a case is, `bench` what all of them are run on; the cases stand where their bug
is: `data_cases`, `model_cases`, `training_cases`, `measuring_cases`.
"""
from __future__ import annotations

import difflib

from zh.clinic import data_cases, measuring_cases, model_cases, training_cases
from zh.clinic.case import Case, Fix, Patient, Run, View
from zh.diagnostics import Diagnosis, diagnose

CASES: dict[str, Case] = {case.name: case for group in (
    data_cases, model_cases, training_cases, measuring_cases)
                          for case in group.CASES}

__all__ = ["CASES", "Case", "Fix", "Patient", "Run", "View", "admit", "healthy"]


def admit(name: str) -> Patient:
    """Run the case of that name, broken and right.

    Raises KeyError: there is none; the message names the nearest.
    """
    if name not in CASES:
        near = difflib.get_close_matches(str(name), CASES, 3, 0.4)
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise KeyError(f"no case {name!r} in the clinic.{hint} zh.clinic.CASES has all "
                       f"{len(CASES)}.")
    return Patient(CASES[name])


def healthy(patient: Patient) -> Diagnosis:
    """What `zh.diagnostics` says of the run after the fix: findings there are false alarms."""
    return diagnose(patient.fixed.recorder)
