"""Tags on the contacts of one month."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.ids import row_ids
from demo_pipeline.domain.core.random_streams import pick, scale
from demo_pipeline.domain.generation.calendar import MINUTE_US
from demo_pipeline.domain.generation.context import MonthContext, blocks
from demo_pipeline.domain.generation.entity_index import Contacts
from demo_pipeline.domain.generation.row_schemas import instants, row_batch, uuid_array

_TABLE: Final = "contact_tags"
#: How many contacts have no tag, one, two (assumption).
_NUMBER_WEIGHTS: Final = np.cumsum(np.array([50, 35, 15]))
#: Assumption: tags that somebody gives a contact later than at its creation, and working minutes until then.
_GIVEN_LATER: Final = np.uint64(2**64 * 45 // 100)
_GIVEN_WITHIN: Final = 4200


def tag_batches(context: MonthContext, contacts: Contacts) -> Iterator[pa.RecordBatch]:
    """None to two different tags for each contact, as batches of rows, in blocks."""
    for start, stop in blocks(len(contacts.created_us)):
        yield _block(context, contacts, start, stop)


def _block(context: MonthContext, contacts: Contacts, start: int, stop: int) -> pa.RecordBatch:
    """The tags of the contacts from ``start`` to ``stop``."""
    count, tags = stop - start, len(context.team.tag_ids)
    stream = context.stream.child(_TABLE)
    number = pick(stream.raw("number", count, start), _NUMBER_WEIGHTS)
    first = scale(stream.raw("first", count, start), tags)
    # Another tag than the first: one to tags - 1 places further.
    second = (first + 1 + scale(stream.raw("second", count, start), tags - 1)) % tags
    tag = np.stack([first, second], axis=1)
    has = np.stack([number > 0, number > 1], axis=1)
    contact = np.repeat(np.arange(start, stop), 2).reshape(count, 2)
    since = contacts.created_us[contact[has]]
    high = stream.raw("id_high", 2 * count, 2 * start).reshape(count, 2)[has]
    low = stream.raw("id_low", 2 * count, 2 * start).reshape(count, 2)[has]
    given = stream.raw("given", 2 * count, 2 * start).reshape(count, 2)[has]
    # Within the month, and before provisioning: where the month may be loaded while it runs, a tag must not
    # come later than its contact. The id keeps the contact's instant.
    left = context.minutes_between(since, int(context.work.minutes[-1]) * MINUTE_US)
    minutes = np.minimum(1 + scale(given << np.uint64(8), _GIVEN_WITHIN), left)
    later = context.later(since, minutes, given << np.uint64(16))
    created = np.where((given < _GIVEN_LATER) & (later < context.reference_us), later, since)
    times = instants(created)
    return row_batch(
        _TABLE,
        {
            "id": uuid_array(row_ids(since, high, low)),
            "created_at": times,
            "updated_at": times,
            "contact_id": uuid_array(contacts.ids, contact[has]),
            "tag_id": uuid_array(context.team.tag_ids, tag[has]),
        },
    )
