"""The page in a real browser: Debian's chromium."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.console.conftest import PASSWORD, Program, Site
from vigibip.console.accounts import Accounts
from vigibip.post.store.records import IncidentOutcome

pytestmark = [
    pytest.mark.requires_program("chromium"),
    pytest.mark.xdist_group("console-program"),
]
# Bounds what a busy machine may take; only what is claimed to be quick is measured.
PATIENCE_MS = 90_000
expect.set_options(timeout=30_000)
ANSWERED = re.compile("Un agent est en route – alice, à la console")


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # A small /dev/shm, shared with other tests' browsers, would crash it.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=PATIENCE_MS,
        )
        yield browser
        await browser.close()


class Screen:
    """One dispatcher's page, and what its browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda told: self.complaints.append(told.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @classmethod
    async def enter(cls, browser: Browser, program: Program, login: str, **options) -> Screen:
        screen = cls(await (await browser.new_context(**options)).new_page())
        await screen.page.goto(await program.link(login))
        enter = screen.page.get_by_role("button", name="Entrer")
        try:
            await enter.press("Enter", timeout=PATIENCE_MS)
        except PlaywrightTimeout as error:
            shown = await screen.page.inner_text("body")
            raise AssertionError(f"no way in: {shown!r}, {screen.complaints}") from error
        await expect(screen.page.locator("#link.live")).to_be_visible()
        return screen


async def settled(page: Page) -> None:
    """Return once a click right after a change of the page counts again."""
    await page.evaluate(
        "new Promise(settle => setTimeout(settle,"
        " Math.max(0, moved + SETTLE_MS - performance.now()) + 1))"
    )


async def test_a_dispatcher_logs_in_with_a_password(
    chromium: Browser, program: Program, site: Site, accounts: Accounts
) -> None:
    screen = Screen(await chromium.new_page())
    page = screen.page
    await page.goto(program.url)
    await page.get_by_label("Identifiant").fill("alice")
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Aucune intervention en cours.")).to_be_visible()
    await page.get_by_role("button", name="Quitter").click()
    await expect(page).to_have_url(f"{program.url}/login")
    assert screen.complaints == []


async def test_a_press_appears_within_a_second_and_two_screens_agree(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    bob = await Screen.enter(chromium, program, "bob")
    incident = await site.press()
    committed_s = time.monotonic()
    article = alice.page.locator(f"#incident-{incident}")
    await article.wait_for()
    assert time.monotonic() - committed_s < 1
    await expect(article).to_contain_text("Personne n’a répondu")
    await expect(alice.page.locator("#waiting")).to_have_text("1 sans réponse")
    assert await alice.page.title() == "⚠ 1 sans réponse – VigiBip"
    await settled(alice.page)
    await article.get_by_role("button", name="Un agent est en route").click()
    for screen in (alice, bob):
        told = screen.page.locator(f"#incident-{incident} .state")
        await expect(told).to_have_text(ANSWERED)
        await expect(screen.page).to_have_title("(1) VigiBip")
    view = await site.store.incident(incident)
    assert view is not None
    assert view.answered_by == "alice"
    await settled(bob.page)
    await bob.page.locator(f"#ending-{incident} summary").click()
    await bob.page.get_by_role("button", name="Fausse alerte").click()
    for screen in (alice, bob):
        await expect(screen.page.locator("#closed tbody tr")).to_contain_text("Fausse alerte")
        await expect(screen.page.locator("#calm")).to_be_visible()
        assert screen.complaints == []


async def test_everything_can_be_done_from_the_keyboard(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    incident = await site.press()
    await page.locator(f"#incident-{incident}").wait_for()

    async def tab_to(name: str) -> None:
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent.trim()") == name:
                return
        raise AssertionError(f"no Tab leads to {name}")

    await tab_to("Un agent est en route")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#incident-{incident} .state")).to_have_text(ANSWERED)
    # The focus is still at this incident.
    assert await page.evaluate("document.activeElement.closest('article').id.length > 0")
    await tab_to("Clore…")
    await page.keyboard.press("Enter")
    await tab_to("Rien trouvé")
    await page.keyboard.press("Enter")
    await expect(page.locator("#calm")).to_be_visible()
    assert alice.complaints == []


async def test_a_click_on_what_has_just_moved_answers_for_nobody(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    first = await site.press(0)
    await page.locator(f"#incident-{first}").wait_for()
    # As if another incident had pushed the list down this instant.
    await page.evaluate("moved = performance.now() + 60000")
    await page.locator(f"#answer-{first}").click()
    await expect(page.locator("#told")).to_contain_text("La page venait de bouger")
    view = await site.store.incident(first)
    assert view is not None
    assert view.answered_at is None
    await site.press(1)
    await expect(page.locator("article.incident")).to_have_count(2)
    assert await page.evaluate("performance.now() - moved < 5000")
    await settled(page)
    await page.locator(f"#answer-{first}").click()
    await expect(page.locator(f"#incident-{first} .state")).to_have_text(ANSWERED)


async def test_a_list_being_read_is_not_torn_away(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    first = await site.press(0)
    await page.locator(f"#ending-{first} summary").click()
    await page.evaluate("window.kept = document.querySelector('article')")
    await site.press(1)
    await expect(page.locator("article.incident")).to_have_count(2)
    assert await page.evaluate("document.contains(window.kept)")
    # The incident itself changes: its closing stays open.
    await site.press(0)
    await expect(page.locator(f"#incident-{first}")).to_contain_text("2 appuis")
    await expect(page.locator(f"#ending-{first}")).to_have_attribute("open", "")


async def test_a_console_that_dies_is_noticed_and_found_again(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page, port = alice.page, program.port
    first = await site.press(0)
    await page.locator(f"#incident-{first}").wait_for()
    program.kill()
    lost = page.locator("#lost")
    await expect(lost).to_contain_text("Connexion perdue", timeout=15_000)
    await expect(page.locator("#link.live")).to_have_count(0)
    await page.locator(f"#answer-{first}").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#told")).to_contain_text("L’envoi n’est pas sûr")
    second = await site.press(1)
    program.start(port)
    await expect(page.locator(f"#incident-{second}")).to_be_visible(timeout=15_000)
    await expect(lost).to_be_hidden()
    await expect(page.locator("#link.live")).to_be_visible()


async def test_a_page_that_stands_still_says_so_wherever_it_is_looked_at(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    # Whoever sets this machine's clock back must not make an old page young.
    await page.evaluate("{ const now = Date.now; Date.now = () => now() - 3600000; }")
    program.kill()
    await expect(page.locator("#lost")).to_contain_text("cette page est figée")
    await expect(page).to_have_title("⚠ page figée – VigiBip")
    await expect(page.locator("#link")).to_have_text("page figée")
    await expect(page.locator("#news")).to_have_text("page figée")
    await expect(page.locator("#live.old")).to_have_count(1)


async def test_a_clock_that_is_set_back_does_not_hold_clicks_up(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    incident = await site.press()
    await page.locator(f"#incident-{incident}").wait_for()
    await page.evaluate("{ const now = Date.now; Date.now = () => now() - 3600000; }")
    await settled(page)
    await page.locator(f"#answer-{incident}").click()
    await expect(page.locator(f"#incident-{incident} .state")).to_have_text(ANSWERED)


class Line:
    """A line between browser and console that can go dead without a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._dead: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()

    def die(self) -> None:
        """What is open now carries nothing any more, and nobody is told; new ones work."""
        self._dead |= self._open

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, far_writer}
        await asyncio.gather(
            self._carry(reader, far_writer), self._carry(far_reader, writer), return_exceptions=True
        )

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if writer not in self._dead:
                writer.write(data)
        writer.close()


async def test_a_line_that_dies_silently_is_noticed_and_replaced(
    chromium: Browser, program: Program, site: Site
) -> None:
    async with Line(program.port) as line:
        program.url = f"http://127.0.0.1:{line.port}"
        alice = await Screen.enter(chromium, program, "alice")
        line.die()
        await expect(alice.page.locator("#lost")).to_contain_text("Connexion perdue")
        incident = await site.press()
        await expect(alice.page.locator(f"#incident-{incident}")).to_be_visible()
        await expect(alice.page.locator("#lost")).to_be_hidden()
        await alice.page.close()


async def test_a_click_whose_answer_never_comes_is_told(
    chromium: Browser, program: Program, site: Site
) -> None:
    incident = await site.press()
    async with Line(program.port) as line:
        program.url = f"http://127.0.0.1:{line.port}"
        alice = await Screen.enter(chromium, program, "alice")
        page = alice.page

        async def never(_: object) -> None:
            line.die()

        await page.route(f"**/incidents/{incident}/answer", never)
        await page.locator(f"#answer-{incident}").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_contain_text("L’envoi n’est pas sûr")
        await expect(page.locator(f"#incident-{incident}.busy")).to_have_count(0)
        await page.close()


async def test_a_button_whose_release_is_lost_does_not_freeze_the_page(
    chromium: Browser, program: Program, site: Site
) -> None:
    first = await site.press(0)
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    for button in (2, 0):  # a menu swallows its release; a window may, too
        await page.locator(f"#incident-{first}").dispatch_event("pointerdown", {"button": button})
        again = await site.press(1)
        await expect(page.locator(f"#incident-{again}")).to_be_visible()
        await site.store.close_incident(again, by="bob", outcome=IncidentOutcome.REAL)
        await expect(page.locator(f"#incident-{again}")).to_have_count(0)


async def test_what_could_not_be_shown_is_not_called_live(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    await alice.page.evaluate("reconcile = () => { throw new Error('no') }; 0")
    await site.press()
    await expect(alice.page.locator("#lost")).to_contain_text("cette page est figée")


async def test_a_script_that_never_runs_is_told(
    chromium: Browser, program: Program, site: Site
) -> None:
    context = await chromium.new_context()
    await context.route("**/console.js", lambda route: route.abort())
    page = await context.new_page()
    await page.goto(await program.link("alice"))
    await page.get_by_role("button", name="Entrer").click()
    await expect(page.get_by_text("Cette page ne s’actualise pas toute seule")).to_be_visible()
    # Where it runs, nobody ever sees that.
    alice = await Screen.enter(chromium, program, "alice")
    await expect(alice.page.locator("#late")).to_be_hidden()


async def test_a_new_call_is_said_to_who_does_not_see_it_and_the_badge_leads_to_the_oldest(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    news = alice.page.get_by_role("alert").and_(alice.page.locator("#news"))
    first = await site.press(0)
    await expect(news).to_have_text("Nouvel appel : Tabac du Centre, 0 rue X.")
    await site.press(1)
    await expect(news).to_have_text("Nouvel appel : Épicerie <Nuit & Jour>, 1 rue X.")
    await site.press(0)
    await expect(news).to_have_text("Nouvel appel : Tabac du Centre, 0 rue X.")
    badge = alice.page.locator("#waiting")
    await expect(badge).to_have_attribute("href", f"#incident-{first}")
    assert alice.complaints == []


async def test_sound_is_on_unless_somebody_chose_otherwise(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    sound = page.locator("#sound")
    await expect(sound).to_have_text("Son activé")
    await page.evaluate(
        "let tones = 0; const made = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function () {"
        " document.body.dataset.tones = ++tones; return made.call(this) }; 0"
    )
    # A browser may put it to sleep: then it says so, and any touch wakes it.
    await page.evaluate("audio.suspend()")
    await expect(sound).to_have_text("Cliquez pour entendre le son")
    await page.keyboard.press("Tab")
    await expect(sound).to_have_text("Son activé")
    await site.press()
    await expect(page.locator("body")).to_have_attribute("data-tones", re.compile("[4-9]|.."))
    await sound.click()
    await expect(sound).to_have_text("Son coupé")
    await page.reload()
    await expect(sound).to_have_text("Son coupé")


async def test_a_press_that_was_not_read_yet_is_not_closed_by_a_key(
    chromium: Browser, program: Program, site: Site
) -> None:
    incident = await site.press()
    alice = await Screen.enter(chromium, program, "alice")
    page = alice.page
    await page.locator(f"#ending-{incident} summary").click()
    await page.locator(f"#false_alarm-{incident}").focus()
    await page.evaluate(
        "new MutationObserver((_, seen) => { seen.disconnect();"
        f" document.getElementById('false_alarm-{incident}').click() }})"
        ".observe(document.getElementById('opened'), {childList: true})"
    )
    await site.press()
    await expect(page.locator("#told")).to_contain_text("Le commerce a de nouveau appuyé")
    view = await site.store.incident(incident)
    assert view is not None
    assert view.closed_at is None


async def test_a_line_of_the_header_that_appears_counts_as_a_movement(
    chromium: Browser, program: Program, site: Site
) -> None:
    alice = await Screen.enter(chromium, program, "alice")
    await settled(alice.page)
    before = await alice.page.evaluate("moved")
    await alice.page.evaluate("tell('x')")
    await alice.page.wait_for_function(f"moved > {before}")


async def test_a_session_that_ends_is_told_on_its_page(
    chromium: Browser, program: Program, site: Site, accounts: Accounts
) -> None:
    bob = await Screen.enter(chromium, program, "bob")
    await accounts.remove("bob")
    await expect(bob.page.locator("#lost")).to_contain_text(
        "Votre session est terminée", timeout=15_000
    )
    await bob.page.get_by_role("link", name="Se reconnecter").click()
    await expect(bob.page).to_have_url(f"{program.url}/login")


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 360, "height": 740}},
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    ],
    ids=["phone", "dark"],
)
async def test_nothing_overflows_its_screen(
    chromium: Browser, program: Program, site: Site, options: dict[str, object]
) -> None:
    await site.equip("Pharmacieàtrèslongnomsansaucunblanc" * 3)
    await site.store.raise_fault("press-late", site.boxes[0])
    for shop in range(3):
        incident = await site.press(shop)
    alice = await Screen.enter(chromium, program, "alice", **options)
    article = alice.page.locator(f"#incident-{incident}")
    await article.wait_for()
    width = await alice.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
    assert alice.complaints == []


async def test_without_scripts_the_forms_still_work(
    chromium: Browser, program: Program, site: Site
) -> None:
    incident = await site.press()
    page = await (await chromium.new_context(java_script_enabled=False)).new_page()
    await page.goto(await program.link("alice"))
    await page.get_by_role("button", name="Entrer").click()
    await page.locator(f"#answer-{incident}").click()
    await expect(page.locator(f"#incident-{incident} .state")).to_have_text(ANSWERED)
    assert page.url == f"{program.url}/"
