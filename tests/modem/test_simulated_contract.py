"""The contract suite, over the simulated modem and over a real one where there is one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.modem.contract_suite import DrivenPlace, ModemContract, Place, PtyPlace, real_place
from vigibip.modem.simulated import EC25, GENERIC, MODELS, SIM7600


class TestInDrivenTime(ModemContract):
    @pytest.fixture(params=MODELS.values(), ids=MODELS)
    async def place(self, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
        place = DrivenPlace(request.param)
        yield place
        await place.close()


class TestOnAPseudoTerminal(ModemContract):
    # A message that was refused is brought again after a minute; driven time shows it.
    test_a_sms_that_cannot_be_stored_comes_again = None

    @pytest.fixture(params=[SIM7600, EC25, GENERIC], ids=lambda model: model.key)
    async def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
        place = PtyPlace(request.param, tmp_path)
        yield place
        await place.close()


@pytest.mark.xdist_group("real-modem")
@pytest.mark.timeout(1800)
class TestReal(ModemContract):
    @pytest.fixture
    async def place(self) -> AsyncIterator[Place]:
        place = real_place()
        yield place
        await place.close()
