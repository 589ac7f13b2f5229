"""Gap: a distribution of a template has no ports for its custom origins, so its configuration cannot be sent back.

HTTPPort is 80 and HTTPSPort is 443 by default. UpdateDistribution needs both.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-cloudfront-distribution-customoriginconfig.html
No longer needed when GetDistributionConfig of a distribution from a template has the ports of its custom origins.
"""

import copy
from typing import Any

from ministack.services import cloudfront

type Json = dict[str, Any]

_PORTS = {"HTTPPort": 80, "HTTPSPort": 443}


def apply() -> None:
    render = cloudfront._distribution_config_xml

    def render_with_ports(config: Json) -> Any:
        complete = copy.deepcopy(config)
        for origin in complete.get("Origins") or []:
            if isinstance(origin, dict) and isinstance(origin.get("CustomOriginConfig"), dict):
                origin["CustomOriginConfig"] = _PORTS | origin["CustomOriginConfig"]
        return render(complete)

    cloudfront._distribution_config_xml = render_with_ports
