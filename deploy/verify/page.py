"""The page of an app that a distribution serves, with the addresses that it reads from its config.json."""

from __future__ import annotations

from deploy.verify.journey import Journey


def site_url(journey: Journey) -> str:
    """Return where viewers reach the app's distribution. Skips the step if the stage has none."""
    edge = journey.outputs("edge")
    if not edge:
        journey.skip(f"{journey.app} has no distribution in this stage")
    return edge.get("SiteUrl") or journey.outputs().get("SiteUrl") or f"https://{edge['DistributionDomain']}"


def loads(journey: Journey) -> None:
    """Verify that the page comes as HTML, and that its config.json names the user pool of this stage, if it has one."""
    url = site_url(journey)
    journey.until(
        lambda: journey.http.get(f"{url}/"),
        lambda page: page.status == 200 and page.headers.get("Content-Type", "").startswith("text/html"),
        "a page of HTML",
    )
    config = journey.http.get(f"{url}/config.json")
    journey.expect(isinstance(config.json, dict) and config.json.get("api"), "a config.json with the API", config)
    pool = journey.outputs().get("UserPoolId")
    journey.expect(config.json.get("user_pool_id") == pool, f"the user pool {pool}", config.json.get("user_pool_id"))
