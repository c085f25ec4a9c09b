"""The whole road of somebody whose password lives in a directory, seen from the browser and from the agent."""

from tests.portal.walk import Walker, boxes_for, mails


def test_a(ada, directory):
    walker = Walker()
    page = walker.identify("ada@example.test")
    print(page.heading, page.forms)
    page = walker.ask_for_code(page)
    print(page.heading, page.text)
    from tests.portal.walk import newest_code

    page = walker.type_code(page, newest_code())
    print(page.heading, page.text)
    directory.inspect(ada)
    page = walker.get("/recover/wait")
    print(page.heading, page.text, page.data)
    r = walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    print(r.status_code, r.content)
    page = walker.get("/recover/wait")
    print(page.heading)
    directory.write()
    page = walker.get("/recover/wait")
    print(page.heading, page.text, page.response.cookies)
    print(mails())
