"""One file = one method = one value of `--method`."""

from typing import Annotated, ClassVar, get_args, get_origin, get_type_hints

from utils.naming import closest
from utils.registry import Registry


class Methods(Registry):
    """Classes of methods by the value of `--method`, which each learns when it is imported."""

    def __getitem__(self, name: str) -> type:
        kind = super().__getitem__(name)
        if "registered" not in vars(kind):
            kind.registered = name
        return kind


METHODS = Methods(
    {
        "FT": "methods.base:Method",
        "LWF": "methods.lwf:LWF",
        "LWF-MC": "methods.lwf_mc:LWFMC",
        "ILT": "methods.ilt:ILT",
        "EWC": "methods.ewc:EWC",
        "PI": "methods.pi:PI",
        "RW": "methods.rw:RW",
        "DFT*": "methods.dft:DFTStar",
        "MiB": "methods.mib:MiB",
        "PLOP": "methods.plop:PLOP",
        "MiB+NeST": "methods.nest:MiBNeST",
        "PLOP+NeST": "methods.nest:PLOPNeST",
        "MiB+EWF": "methods.ewf:MiBEWF",
        "PLOP+EWF": "methods.ewf:PLOPEWF",
        "RCIL": "methods.rcil:RCIL",
        "UCD": "methods.ucd:UCD",
        "REMINDER": "methods.reminder:REMINDER",
        "REPLAY": "methods.replay:Replay",
        "SSUL": "methods.ssul:SSUL",
        "SSUL-M": "methods.ssul_memory:SSULM",
        "DKD": "methods.dkd:DKD",
        "DKD-M": "methods.dkd_memory:DKDM",
        "DKD+EWF": "methods.ewf:DKDEWF",
        "EIR": "methods.eir:EIR",
        "EIR-softmax": "methods.eir_softmax:EIRSoftmax",
        "SegACIL": "methods.segacil:SegACIL",
        "RIDGE": "methods.segacil:RIDGE",
        "PROTOTYPES": "methods.prototypes:Prototypes",
        "LDA": "methods.lda:LDA",
        "ALIFE": "methods.alife:ALIFE",
        "ALIFE-M": "methods.alife_m:ALIFEM",
        "STAR": "methods.star:STAR",
        "STAR-M": "methods.star_memory:STARM",
        "BARM": "methods.barm:BARM",
        "SDR": "methods.sdr:SDR",
        "CoMFormer": "methods.comformer:CoMFormer",
        "ECLIPSE": "methods.eclipse:ECLIPSE",
        "BalConpas": "methods.balconpas:BalConpas",
        "BalConpas-M": "methods.balconpas_memory:BalConpasM",
    }
)
SPELLINGS = {"DFT_STAR": "DFT*"}  # a shell expands the star


def method_named(name: str) -> str:
    """The key of METHODS that `name` means, without regard to case; ValueError names the nearest."""
    return SPELLINGS.get(name.upper()) or closest(name, METHODS, "method")


def hyper_parameters(method: type) -> dict[str, tuple[type, object, str]]:
    """Type, default and help of each hyper-parameter of `method`, by name."""
    found = {}
    for name, hint in get_type_hints(method, include_extras=True).items():
        if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) is not ClassVar:
            kind, text = get_args(hint)
            found[name] = (kind, getattr(method, name), text)
    return found
