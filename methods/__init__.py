"""One file = one method = one value of `--method`."""

from typing import Annotated, ClassVar, get_args, get_origin, get_type_hints

from methods.alife import ALIFE
from methods.alife_m import ALIFEM
from methods.balconpas import BalConpas
from methods.balconpas_memory import BalConpasM
from methods.barm import BARM
from methods.base import Method
from methods.comformer import CoMFormer
from methods.dft import DFTStar
from methods.dkd import DKD
from methods.dkd_memory import DKDM
from methods.eclipse import ECLIPSE
from methods.eir import EIR
from methods.eir_softmax import EIRSoftmax
from methods.ewc import EWC
from methods.ewf import DKDEWF, PLOPEWF, MiBEWF
from methods.ilt import ILT
from methods.lda import LDA
from methods.lwf import LWF
from methods.lwf_mc import LWFMC
from methods.mib import MiB
from methods.nest import MiBNeST, PLOPNeST
from methods.pi import PI
from methods.plop import PLOP
from methods.prototypes import Prototypes
from methods.rcil import RCIL
from methods.reminder import REMINDER
from methods.replay import Replay
from methods.rw import RW
from methods.sdr import SDR
from methods.segacil import RIDGE, SegACIL
from methods.ssul import SSUL
from methods.ssul_memory import SSULM
from methods.star import STAR
from methods.star_memory import STARM
from methods.ucd import UCD
from utils.naming import closest

METHODS: dict[str, type[Method]] = {
    "FT": Method,
    "LWF": LWF,
    "LWF-MC": LWFMC,
    "ILT": ILT,
    "EWC": EWC,
    "PI": PI,
    "RW": RW,
    "DFT*": DFTStar,
    "MiB": MiB,
    "PLOP": PLOP,
    "MiB+NeST": MiBNeST,
    "PLOP+NeST": PLOPNeST,
    "MiB+EWF": MiBEWF,
    "PLOP+EWF": PLOPEWF,
    "RCIL": RCIL,
    "UCD": UCD,
    "REMINDER": REMINDER,
    "REPLAY": Replay,
    "SSUL": SSUL,
    "SSUL-M": SSULM,
    "DKD": DKD,
    "DKD-M": DKDM,
    "DKD+EWF": DKDEWF,
    "EIR": EIR,
    "EIR-softmax": EIRSoftmax,
    "SegACIL": SegACIL,
    "RIDGE": RIDGE,
    "PROTOTYPES": Prototypes,
    "LDA": LDA,

    "ALIFE": ALIFE,
    "ALIFE-M": ALIFEM,
    "STAR": STAR,
    "STAR-M": STARM,
    "BARM": BARM,
    "SDR": SDR,
    "CoMFormer": CoMFormer,
    "ECLIPSE": ECLIPSE,
    "BalConpas": BalConpas,
    "BalConpas-M": BalConpasM,
}
for _name, _kind in METHODS.items():
    _kind.registered = _name
SPELLINGS = {"DFT_STAR": "DFT*"}  # a shell expands the star


def method_named(name: str) -> str:
    """The key of METHODS that `name` means, without regard to case; ValueError names the nearest."""
    return SPELLINGS.get(name.upper()) or closest(name, METHODS, "method")


def hyper_parameters(method: type[Method]) -> dict[str, tuple[type, object, str]]:
    """Type, default and help of each hyper-parameter of `method`, by name."""
    found = {}
    for name, hint in get_type_hints(method, include_extras=True).items():
        if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) is not ClassVar:
            kind, text = get_args(hint)
            found[name] = (kind, getattr(method, name), text)
    return found
