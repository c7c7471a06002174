"""A real browser without a window, for tests that look at pages; which machine has none skips them, or fails in CI."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1200",
)
INSIDE = ("data:", "blob:", "about:", "chrome:", "chrome-untrusted:", "devtools:")
"""Addresses that no network is needed for."""


def programs() -> tuple[str, str]:
    """Chromium and its driver."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium and driver:
        return chromium, driver
    reason = "needs Chromium and chromedriver (Debian: apt install chromium chromium-driver)"
    if os.environ.get("AIPOWER_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def browser(profile: Path) -> Iterator:
    """A browser with an empty profile that writes down what it asks for."""
    chromium, driver = programs()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


def asked(opened) -> list[str]:
    """Addresses that pages asked for since the last look, those that need no network left out."""
    found = []
    for entry in opened.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            found.append(event["params"]["request"]["url"])
        elif event["method"] == "Network.webSocketCreated":
            found.append(event["params"]["url"])
    return [address for address in found if not address.startswith(INSIDE)]


def complaints(opened) -> list[str]:
    """What pages wrote to the console as errors."""
    return [entry["message"] for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]
