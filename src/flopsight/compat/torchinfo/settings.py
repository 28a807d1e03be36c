"""torchinfo's enumerations of columns, row settings, modes, units and verbosity."""

from __future__ import annotations

from enum import Enum, IntEnum


class Mode(str, Enum):
    """The mode to run a model in; `same` leaves it in the one that it is in."""

    TRAIN = "train"
    EVAL = "eval"
    SAME = "same"


class RowSettings(str, Enum):
    """What a row's title shows, and which rows there are."""

    DEPTH = "depth"
    VAR_NAMES = "var_names"
    ASCII_ONLY = "ascii_only"
    HIDE_RECURSIVE_LAYERS = "hide_recursive_layers"


class ColumnSettings(str, Enum):
    """The columns."""

    KERNEL_SIZE = "kernel_size"
    GROUPS = "groups"
    INPUT_SIZE = "input_size"
    OUTPUT_SIZE = "output_size"
    NUM_PARAMS = "num_params"
    PARAMS_PERCENT = "params_percent"
    MULT_ADDS = "mult_adds"
    TRAINABLE = "trainable"


class Units(str, Enum):
    """Decimal prefixes."""

    AUTO = "auto"
    KILOBYTES = "k"
    MEGABYTES = "M"
    GIGABYTES = "G"
    TERABYTES = "T"
    NONE = ""


class Verbosity(IntEnum):
    """0 prints nothing; 2 also prints each parameter."""

    QUIET, DEFAULT, VERBOSE = 0, 1, 2


HEADER_TITLES = {
    ColumnSettings.KERNEL_SIZE: "Kernel Shape",
    ColumnSettings.GROUPS: "Groups",
    ColumnSettings.INPUT_SIZE: "Input Shape",
    ColumnSettings.OUTPUT_SIZE: "Output Shape",
    ColumnSettings.NUM_PARAMS: "Param #",
    ColumnSettings.PARAMS_PERCENT: "Param %",
    ColumnSettings.MULT_ADDS: "Mult-Adds",
    ColumnSettings.TRAINABLE: "Trainable",
}
CONVERSION_FACTORS = {
    Units.TERABYTES: 10**12,
    Units.GIGABYTES: 10**9,
    Units.MEGABYTES: 10**6,
    Units.KILOBYTES: 10**3,
    Units.NONE: 1,
}
NEED_INPUT = {ColumnSettings.INPUT_SIZE, ColumnSettings.OUTPUT_SIZE, ColumnSettings.MULT_ADDS}
"""Columns that only a run can fill."""
