"""The words by which an approval is found; `approvals.search` writes and reads them."""

from django.db import models


class SearchText(models.Model):
    """One row for each approval. The database keeps an index over the words: see 0005_screens."""

    approval = models.OneToOneField("Approval", models.CASCADE, related_name="search_text")
    text = models.TextField(help_text="Lower-case words without accents, one blank between two.")

    def __str__(self) -> str:
        return self.text[:100]
