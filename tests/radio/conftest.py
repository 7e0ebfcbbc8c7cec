"""What the radio room's tests share."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory
from py_nanotts import NanoTTS

from tests.radio.rig import SHOP, Rig, hummed_clips
from vigibip.radio.shaping import for_radio

SENTENCES = (
    "La patrouille est partie vers la place du marché, elle arrive dans quatre minutes.",
    "Nous avons deux individus devant la pharmacie, un homme et une femme.",
    "Veuillez confirmer votre position, je répète, veuillez confirmer.",
    "Un, deux, trois, quatre, cinq, six, sept, huit, neuf, zéro, dièse, étoile.",
    "Oui, ici la base, je vous reçois cinq sur cinq. Aïe, oh, euh, hein.",
    "L'oiseau siffle dans le jardin de l'hôtel de ville.",
    "Alerte. Tabac de la Gare, 12 rue des Lilas. Incident vingt-trois.",
    "Les pompiers interviennent sur un feu de poubelle, au bout de l'avenue.",
)


@pytest.fixture(scope="session")
def clip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every common clip and one shop's, hummed: made once, only read."""
    directory = tmp_path_factory.mktemp("clips")

    async def prepare() -> None:
        clips = hummed_clips(directory)
        await clips.prepare_common()
        await clips.prepare_shop(SHOP, spoken_name="Tabac de la Gare", address="12 rue Zola")

    asyncio.run(prepare())
    return directory


@pytest.fixture
async def rig(tmp_path: Path, clip_dir: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path, clip_dir)
    await rig.radio.start()
    yield rig
    await rig.close()


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    """gpiozero's mock pins, for one test."""
    before = Device.pin_factory
    factory = Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    Device.pin_factory = before


@pytest.fixture(scope="session")
def speech() -> bytes:
    """More than a minute of varied French, at 8000 Hz: several pitches, raw and as on the air."""
    voice = NanoTTS()
    pcm = bytearray()
    for index, sentence in enumerate(SENTENCES):
        for pitch in (0.7, 1.0, 1.5):
            spoken = voice.speak(sentence, voice="fr-FR", pitch=pitch)
            if index % 2:
                pcm += array("h", spoken)[::2].tobytes()
            else:
                pcm += for_radio(spoken, 16000, 8000)
    return bytes(pcm)
