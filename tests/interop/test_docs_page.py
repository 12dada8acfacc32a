"""The page that shows the API and lets users try it, in a browser."""

from __future__ import annotations

from interop.stage import Stage


async def test_docs_page_sends_an_operation_and_shows_its_response(server, browser):
    cast = Stage(server, browser)
    async with cast:
        alice = cast.user("alice")
        page = await browser.open("docs", at=f"{server.url}/docs")
        await page.do("see", text="List conversations")
        answered = await page.run(
            """for (const [id, value] of Object.entries({ appid: appId, apikey: key })) document.getElementById(id).value = value;
            const found = [...document.querySelectorAll("details")].find((d) => d.querySelector("summary").innerText.startsWith("GET") && d.innerText.includes("/users/{uid}") && d.querySelector("code").innerText === "/users/{uid}");
            found.open = true;
            found.querySelector("input").value = uid;
            found.querySelector("button").click();
            for (let i = 0; i < 100; i++) {
              const out = found.querySelector("pre").textContent;
              if (out.startsWith("HTTP")) return out;
              await new Promise((r) => setTimeout(r, 50));
            }""",
            appId=server.keys["app_id"], key=server.keys["api_key"], uid=alice,
        )  # fmt: skip
        assert answered.startswith("HTTP 200")
        assert f'"uid": "{alice}"' in answered
        assert page.all("page error") == []
