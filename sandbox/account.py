"""The account of the sandbox: what a team does once in its own account before it releases, through the same APIs.

On AWS the requests take a day or more, and a person of the team opens the links. The sandbox grants the requests at
once, and opens the links itself.
"""

from __future__ import annotations

import itertools
import re
import urllib.request

from deploy import bootstrap
from deploy.account import client
from sandbox.console.console import mails
from sandbox.settings import REGION, REPLICA_REGION

QUOTAS = {
    ("lambda", "L-B99A9384"): 1_000,  # concurrent executions: a new account has 10
    ("vpc", "L-F678F1CE"): 20,  # VPCs in the Region: a new account has 5, and a stage with DAX takes 3
}
"""By service and code the quotas that a team asks AWS to raise."""

_LINK = re.compile(r"http://\S+/_localaws/ses/verify\?\S+")


def prepare() -> None:
    """Bring a new account to where a team has it: `make bootstrap`, and what a team must ask AWS for."""
    bootstrap.bootstrap()
    ask_for_quotas()
    ask_for_production_access()


def ask_for_quotas() -> None:
    """Ask for the quotas that stages of this suite need."""
    for region, ((service, code), wanted) in itertools.product((REGION, REPLICA_REGION), QUOTAS.items()):
        quotas, quota = client("service-quotas", region), {"ServiceCode": service, "QuotaCode": code}
        if quotas.get_service_quota(**quota)["Quota"]["Value"] < wanted:
            quotas.request_service_quota_increase(**quota, DesiredValue=wanted)


def ask_for_production_access() -> None:
    """Ask for SES outside its sandbox, which sends only to addresses that are verified."""
    for region in (REGION, REPLICA_REGION):
        client("sesv2", region).put_account_details(
            MailType="TRANSACTIONAL",
            WebsiteURL="https://blog.example",
            UseCaseDescription="Mails to people who subscribed, bought something or watch their devices.",
            ProductionAccessEnabled=True,
        )


def verify_senders(endpoint: str) -> None:
    """Open the links that SES has sent to the addresses of the stages' senders."""
    pending = {
        identity["IdentityName"]
        for identity in client("sesv2").list_email_identities()["EmailIdentities"]
        if not identity["SendingEnabled"]
    }
    for mail in mails(endpoint):
        link = _LINK.search(mail.get("BodyText") or "")
        if link and pending & set(mail["To"]):
            urllib.request.urlopen(link[0], timeout=30).close()
            pending -= set(mail["To"])
