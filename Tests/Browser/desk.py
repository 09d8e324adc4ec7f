"""A browser at somebody's desk: pages that are signed in, and watched for what must never happen."""
import base64
import hashlib
import hmac
import os
import struct
import time

from playwright.sync_api import expect, sync_playwright

PASSWORD = "a weir holds the river back"
expect.set_options(timeout=20_000)

# What runs although it must not, and what the policy had to stop, is counted in every page.
WATCH = """
globalThis.hits = 0; globalThis.violations = [];
globalThis.hit = () => { globalThis.hits += 1; };
addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(event.effectiveDirective + " " + event.blockedURI));
"""


class Desk:
    def __init__(self, world, shots=None):
        self.world, self.shots, self.playwright = world, shots, sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=os.environ.get("WEIR_CHROMIUM", "/usr/bin/chromium"),
                                                       args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                                             "--ignore-certificate-errors"])
        self.state = None  # cookies of who is signed in
        self.faults = []

    def open(self, place="", signed_in=True, width=1280, height=900, theme="light", language="en-GB", **more):
        """A new page in a profile of its own."""
        context = self.browser.new_context(ignore_https_errors=True, viewport={"width": width, "height": height}, color_scheme=theme, locale=language,
                                           storage_state=self.state if signed_in else None, service_workers="block", **more)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: (self.faults.append("a dialog: " + dialog.message), dialog.dismiss()))
        page.goto(self.world.url + "/console/" + place)
        return page

    def go(self, page, place):
        page.evaluate("(place) => { location.hash = place }", place)
        self.settle(page)

    def settle(self, page):
        """Until the page of this address is there, and nothing waits for an answer."""
        page.wait_for_function("() => document.querySelector('#page')?.dataset.shown === location.hash")
        expect(page.locator("h1").first).to_be_visible()
        expect(page.locator(".waits")).to_have_count(0)
        expect(page.locator('[aria-busy="true"]')).to_have_count(0)

    def check(self, page):
        """Nothing ran that must not, nothing was against the policy, nothing failed by itself."""
        found = page.evaluate("() => ({ hits, violations, planted: document.querySelectorAll('[onerror], [onload], main script, main iframe').length })")
        assert found == {"hits": 0, "violations": [], "planted": 0}, found
        faults, self.faults = self.faults, []
        assert faults == [], faults

    def rest(self):
        """Closes all pages: those that are live would go on asking."""
        for context in self.browser.contexts:
            for page in context.pages:
                page.unroute_all(behavior="ignoreErrors")
            context.close()
        self.faults = []

    def keep_session(self, page):
        self.state = page.context.storage_state()

    def close(self):
        self.browser.close()
        self.playwright.stop()


def totp(secret, steps=0):
    """RFC 6238: what an authenticator shows now, or some steps on."""
    key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + steps), hashlib.sha1).digest()
    place = digest[-1] & 15
    return "%06d" % ((struct.unpack(">I", digest[place:place + 4])[0] & 0x7FFFFFFF) % 1_000_000)
