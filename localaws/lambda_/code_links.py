"""Gap: anybody can download the code of a function and the content of a layer, without a signature.

GetFunction and GetLayerVersion return a link that works for ten minutes. Its signature is made with the root key.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html
No longer needed when the link of GetFunction without its query gets 403.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from ministack.services import lambda_svc

from localaws import control


def signed(link: Callable[..., str]) -> Callable[..., str]:
    """Wrap the function that makes the link."""

    def signed_link(*names: object) -> str:
        url = urlsplit(link(*names))
        return f"{url.scheme}://{url.netloc}{control.link(url.path)}"

    return signed_link


def apply() -> None:
    lambda_svc._presigned_code_url = signed(lambda_svc._presigned_code_url)
    lambda_svc._layer_content_url = signed(lambda_svc._layer_content_url)
