"""Pages in headless Chromium, for tests: what a script finds in them, and pictures."""

import html
import json
import pathlib
import re
import subprocess

WINDOW = 1100
_MARK = "measured-by-the-test"


def host_page(pages: dict[str, str], width: int, height: int, script: str) -> str:
    """A page with each of `pages` in a frame. It writes down what measure(document)
    of `script` finds in each. Chromium's window does not get as narrow as a phone, but a
    frame does."""
    frames = "".join(
        f'<iframe name="{name}" style="width:{width}px;height:{height}px" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for name, page in pages.items()
    )
    return (
        "<!DOCTYPE html><meta charset=utf-8>"
        "<style>body { margin: 0; } iframe { border: 0; display: block; }</style>"
        f"{frames}<script>{script}\n"
        "window.onload = () => {\n"
        "  const found = document.createElement('pre');\n"
        f"  found.id = '{_MARK}'; found.hidden = true;\n"
        "  found.textContent = JSON.stringify(Object.fromEntries(\n"
        "      [...document.querySelectorAll('iframe')].map(\n"
        "          frame => [frame.name, measure(frame.contentDocument)])));\n"
        "  document.body.append(found);\n"
        "};</script>"
    )


class Browser:
    """Chromium, one run for each question."""

    def __init__(self, program: str, directory: pathlib.Path):
        self._program = program
        self._directory = directory

    def run(self, page: str, height: int, dark: bool, *flags: str) -> str:
        """What it prints. RuntimeError if it fails, or the page says something."""
        path = self._directory / "page.html"
        path.write_text(page, encoding="utf-8")
        command = [
            self._program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--enable-logging=stderr",
            "--log-level=0",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--user-data-dir={self._directory / 'profile'}",
            f"--window-size={WINDOW},{height}",
            "--virtual-time-budget=4000",
            *flags,
            path.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            raise RuntimeError(f"{self._program} failed:\n{done.stderr[-2000:]}")
        said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        if said:
            raise RuntimeError("on the console: " + "; ".join(said))
        return done.stdout

    def measure(
        self, pages: dict[str, str], width: int, height: int, script: str, dark=False
    ) -> dict:
        """From the name of each page to what measure(document) of `script` says of it."""
        host = host_page(pages, width, height, script)
        dom = self.run(host, height, dark, "--dump-dom")
        found = re.search(rf'<pre id="{_MARK}"[^>]*>(.*?)</pre>', dom, re.S)
        if not found:
            raise RuntimeError("the page was not measured")
        return json.loads(html.unescape(found.group(1)))
