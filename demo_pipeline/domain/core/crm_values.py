"""The values that the CRM knows in columns with a fixed set of values.

The only place that lists them: table constraints, the frozen lists and the generator derive from it. What
a value means, and how often it occurs, is decided elsewhere.
"""

from __future__ import annotations

from typing import Final

#: ``users.role``
USER_ROLES: Final = ("owner", "admin", "member", "readonly")
#: ``contacts.status``
CONTACT_STATUSES: Final = ("lead", "prospect", "customer", "churned", "other")
#: ``contacts.source``, the channels of a blueprint
CONTACT_SOURCES: Final = ("seo", "meta", "google", "affiliates", "referrals", "direct")
#: ``companies.size``, the smallest first
COMPANY_SIZES: Final = ("1-10", "11-50", "51-200", "201-500", "501-1000", "1000+")
#: ``activities.type``, in the order of all weights and lists by type
ACTIVITY_TYPES: Final = ("note", "call", "email", "meeting", "task")
