"""The methods of revisions: get, list."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import automations as rows
from automation_service.persistence.records import Automation, Revision
from shared import errors, resources
from shared.aip import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    db: AsyncEngine

    async def list(self, parent: str, page: Page) -> tuple[Automation, Sequence[Revision]]:
        """Returns the automation, and a page of its revisions and one more if there is one."""
        parts = resources.AUTOMATION.parse(parent)
        async with self.db.connect() as connection:
            owner = await rows.get(connection, parts["workspace"], parts["automation"])
            found = await rows.revision_page(
                connection, owner.id, size=page.size, after=page.after_number()
            )
        return owner, found

    async def get(self, name: str) -> tuple[Automation, Revision]:
        parts = resources.REVISION.parse(name)
        async with self.db.connect() as connection:
            owner = await rows.find(connection, parts["workspace"], parts["automation"])
            if owner is None:
                raise errors.ResourceNotFound(name)
            found = await rows.find_revision(connection, owner.id, int(parts["revision"]))
        if found is None:
            raise errors.ResourceNotFound(name)
        return owner, found
