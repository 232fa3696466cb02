"""Mail addresses: the library's parser, with one exception type for all that it stumbles over."""

from email import policy
from email.errors import NonASCIILocalPartDefect
from email.headerregistry import Address


def address_of(written: str) -> Address:
    """`Name <local@domain>` or a bare `local@domain`; a ValueError for anything else."""
    try:
        header = policy.SMTP.header_factory("To", written)
        (group,) = header.groups
        (address,) = group.addresses
    except (ValueError, IndexError, AttributeError) as error:
        raise ValueError("this is no mail address") from error
    # Beyond ASCII is a matter of the mail server, which says whether it takes such addresses.
    defects = [one for one in header.defects if not isinstance(one, NonASCIILocalPartDefect)]
    if defects or group.display_name is not None or not address.username or not address.domain:
        raise ValueError("this is no mail address")
    return Address(address.display_name, address.username, address.domain)
