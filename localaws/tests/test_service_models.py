"""What the sessions of a process know of AWS's services."""

from __future__ import annotations

import botocore.session
import pytest
from botocore import loaders

from localaws import service_models


def test_sessions_share_the_models_of_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "OrderedDict", loaders.OrderedDict)  # is restored
    monkeypatch.setattr(botocore.session, "create_loader", loaders.create_loader)
    services = "dynamodb", "ec2", "s3"
    alone = [botocore.session.Session().get_service_data(each) for each in services]
    service_models.share()
    first, second = botocore.session.Session(), botocore.session.Session()

    assert [first.get_service_data(each) for each in services] == alone
    assert first.get_service_data("s3") is second.get_service_data("s3")
    assert type(first.get_service_data("s3")["shapes"]) is dict
    assert "eu-west-1" in first.get_available_regions("s3")
