"""Tags on the contacts of one month."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.book import Contacts
from demo_pipeline.domain.context import MonthContext
from demo_pipeline.domain.ids import row_ids
from demo_pipeline.domain.rows import SCHEMAS, instants, uuid_array
from demo_pipeline.domain.streams import pick, scale

_TABLE: Final = "contact_tags"
#: How many contacts have no tag, one, two (assumption).
_NUMBER_WEIGHTS: Final = np.cumsum(np.array([50, 35, 15]))


def contact_tag_batch(context: MonthContext, contacts: Contacts) -> pa.RecordBatch:
    """None to two different tags for each contact, as ``SCHEMAS["contact_tags"]``."""
    count, tags = len(contacts.created_us), len(context.team.tag_ids)
    stream = context.stream.child(_TABLE)
    number = pick(stream.raw("number", count), _NUMBER_WEIGHTS)
    first = stream.below("first", count, tags)
    # Another tag than the first: one to tags - 1 places further.
    second = (first + 1 + scale(stream.raw("second", count), tags - 1)) % tags
    tag = np.stack([first, second], axis=1)
    has = np.stack([number > 0, number > 1], axis=1)
    contact = np.repeat(np.arange(count), 2).reshape(count, 2)
    created = contacts.created_us[contact[has]]
    high = stream.raw("id_high", 2 * count).reshape(count, 2)[has]
    low = stream.raw("id_low", 2 * count).reshape(count, 2)[has]
    times = instants(created)
    return pa.RecordBatch.from_arrays(
        [
            uuid_array(row_ids(created, high, low)),
            times,
            times,
            uuid_array(contacts.ids, contact[has]),
            uuid_array(context.team.tag_ids, tag[has]),
        ],
        schema=SCHEMAS[_TABLE],
    )
