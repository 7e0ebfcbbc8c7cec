"""The models that are simulated: what sets them apart on the wire.

Their sayings follow the makers' AT manuals and the public logs under tests/modem/transcripts;
where both are silent the model says what 3GPP TS 27.005 and 27.007 say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Cell(Enum):
    """The command that tells the serving cell."""

    CPSI = "+CPSI"
    QENG = "+QENG"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model with one firmware."""

    key: str
    manufacturer: str
    name: str
    revision: str
    identity: tuple[str, ...]
    """The lines of ATI, with {imei} where it stands."""
    revision_prefix: str = ""
    """Before the revision in the answer to AT+CGMR."""
    iccid_command: str = "+CCID"
    cell: Cell = Cell.NONE
    resets_by: tuple[str, ...] = ("+CFUN=1,1",)
    error_level: int = 0
    """AT+CMEE after power-up."""
    boot_lines: tuple[str, ...] = ()
    """Told one after the other once the silence of power-up is over, when the SIM is ready."""
    boot_lines_no_sim: tuple[str, ...] = ()
    first_index: int = 1
    """The lowest index of a message store."""
    sm_size: int = 40
    me_size: int = 23
    report_lost: bool = False
    """With AT+CNMI's ds=2 a report is announced at index 0 and is nowhere to be read."""
    full_urc: str = ""
    """Told when a SMS does not fit in; {store} is the store's name."""
    power_off_urc: str = ""
    pwrkey_on_s: float = 0.1
    """Pressed so long, a modem that is off boots."""
    pwrkey_off_s: float = 1.0
    """Pressed so long, a modem that is on goes off."""


SIM7600 = Model(
    key="sim7600",
    manufacturer="SIMCOM INCORPORATED",
    name="SIMCOM_SIM7600G-H",
    revision="LE20B03SIM7600G22",
    identity=(
        "Manufacturer: SIMCOM INCORPORATED",
        "Model: SIMCOM_SIM7600G-H",
        "Revision: LE20B03SIM7600G22",
        "IMEI: {imei}",
        "+GCAP: +CGSM",
    ),
    revision_prefix="+CGMR: ",
    iccid_command="+CICCID",
    cell=Cell.CPSI,
    resets_by=("+CFUN=1,1", "+CRESET"),
    error_level=2,
    boot_lines=("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"),
    boot_lines_no_sim=("RDY", "+SIMCARD: NOT AVAILABLE"),
    first_index=0,
    sm_size=40,
    me_size=23,
    full_urc="+SMS FULL",
    power_off_urc="NORMAL POWER DOWN",
    pwrkey_off_s=2.5,
)

EC25 = Model(
    key="ec25",
    manufacturer="Quectel",
    name="EC25",
    revision="EC25EFAR06A06M4G",
    identity=("Quectel", "EC25", "Revision: EC25EFAR06A06M4G"),
    iccid_command="+QCCID",
    cell=Cell.QENG,
    error_level=1,
    boot_lines=(
        "RDY",
        "+CFUN: 1",
        "+CPIN: READY",
        "+QUSIM: 1",
        "+QIND: SMS DONE",
        "+QIND: PB DONE",
    ),
    boot_lines_no_sim=("RDY", "+CFUN: 1", "+CPIN: NOT INSERTED"),
    first_index=0,
    sm_size=50,
    me_size=23,
    report_lost=True,
    full_urc='+QIND: "smsfull","{store}"',
    power_off_urc="POWERED DOWN",
    pwrkey_off_s=0.65,
)

EG25 = replace(
    EC25,
    key="eg25",
    name="EG25",
    revision="EG25GGBR07A08M2G",
    identity=("Quectel", "EG25", "Revision: EG25GGBR07A08M2G"),
)

# A modem of no maker: the two standards and nothing more, and no word at power-up.
GENERIC = Model(
    key="generic",
    manufacturer="3GPP",
    name="TE-MODEM",
    revision="1.0",
    identity=("3GPP", "TE-MODEM", "1.0"),
)

MODELS = {model.key: model for model in (SIM7600, EC25, EG25, GENERIC)}
