"""A browser, and a page that fails a test if its script reports an error."""

import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.fail(f"no browser was found, expected one of {', '.join(CHROMIUM)}; install it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Returns `(path, **options of the browser's context) -> page`.

    After the test, no page may have reported an error or loaded anything from elsewhere.
    """
    contexts, problems = [], []

    def check_request(request):
        if not request.url.startswith(("file:", "data:")):
            problems.append(request.url)

    def open_path(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: m.type == "error" and problems.append(m.text))
        page.on("request", check_request)
        page.goto(path.as_uri())
        return page

    yield open_path
    for context in contexts:
        context.close()
    assert problems == []
