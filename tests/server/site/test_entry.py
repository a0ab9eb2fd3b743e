from tests.server.site.conftest import EMAIL, PASSWORD


def test_a_person_makes_an_account_confirms_the_address_and_signs_in_and_out(browser):
    browser.open("/register")
    page = browser.send("/register", email=EMAIL, password=PASSWORD, display_name="Anna <b>")
    assert "Look into your mailbox" in page
    page = browser.sign_in()
    assert "Hello Anna &lt;b&gt;" in page
    assert "Please confirm your address" in page
    link = browser.link("/verify")
    assert "Confirm" in browser.open(link)
    page = browser.send("/verify")
    assert "Your e-mail address is confirmed." in page
    assert "Please confirm your address" not in page
    assert "no longer works" in browser.open(link, status=400)
    browser.open("/account")
    assert "You are signed out" in browser.send("/sign-out")
    assert "Sign in" in browser.open("/account")
    assert browser.answer.url.path == "/sign-in"
