"""Saved views: searches of the inbox under a name; made, renamed, shared, removed."""

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from approvals.inbox import Listing, tabs_of
from approvals.looking import Look
from approvals.models import SavedView, User
from approvals.models.saved_view import MOST, MOST_LETTERS
from approvals.views.common import PersonRequest, see_other, signed_in


class ViewForm(forms.Form):
    """What a view is called, with whom it is shared, and whether the inbox opens with it."""

    name = forms.CharField(
        max_length=60, error_messages={"required": gettext_lazy("Please give it a name.")}
    )
    group = forms.ModelChoiceField(
        Group.objects.none(),
        required=False,
        error_messages={"invalid_choice": gettext_lazy("Please choose a group of your own.")},
    )
    is_default = forms.BooleanField(required=False)

    def __init__(
        self, data: QueryDict | None, *, user: User, view: SavedView | None = None
    ) -> None:
        super().__init__(data)
        self.user, self.view = user, view
        field = self.fields["group"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = user.groups.order_by("name")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = SavedView.objects.filter(owner=self.user, name=name)
        if self.view:
            others = others.exclude(pk=self.view.pk)
        if others.exists():
            raise forms.ValidationError(
                gettext("You have a view of this name already. Please choose another.")
            )
        return name

    def kept(self, query: str = "") -> SavedView | None:
        """Keep it; None, with the reason in the form, where another click was faster."""
        try:
            return self._save(query)
        except IntegrityError:
            self.add_error(
                "name", gettext("Your views were changed at the same moment. Please try again.")
            )
            return None

    def _save(self, query: str) -> SavedView:
        """Of one's views one at most is the default."""
        view = self.view or SavedView(owner=self.user, query=query)
        with transaction.atomic():
            if self.cleaned_data["is_default"]:
                mine = SavedView.objects.filter(owner=self.user, is_default=True)
                mine.exclude(pk=view.pk).update(is_default=False)
            for name in ("name", "group", "is_default"):
                setattr(view, name, self.cleaned_data[name])
            view.save()
        return view


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def saved_views(request: PersonRequest) -> HttpResponse:
    """All views of a person (GET); one more, of the search that `query` says (POST)."""
    if request.method != "POST":
        return _page(request)
    query = _query(request)
    form = ViewForm(request.POST, user=request.user)
    if form.is_valid():
        if SavedView.objects.filter(owner=request.user).count() >= MOST:
            text = gettext("You have %(most)s views, and more cannot be kept. Remove one first.")
            form.add_error("name", text % {"most": MOST})
        elif len(query) > MOST_LETTERS:
            form.add_error("name", gettext("This search is too long to be kept."))
        elif view := form.kept(query):
            messages.success(request, gettext("“%(view)s” is saved.") % {"view": view})
            return see_other(view.get_absolute_url())
    return _page(request, new=form, query=query, status=422)


@require_POST
@signed_in
def change_view(request: PersonRequest, pk: int) -> HttpResponse:
    """Rename a view of one's own, share it, make it the default."""
    view = get_object_or_404(SavedView, pk=pk, owner=request.user)
    form = ViewForm(request.POST, user=request.user, view=view)
    if not form.is_valid() or not form.kept():
        return _page(request, changed=form, status=422)
    messages.success(request, gettext("“%(view)s” is saved.") % {"view": view})
    return see_other("approvals:saved_views")


@require_POST
@signed_in
def remove_view(request: PersonRequest, pk: int) -> HttpResponse:
    """Remove a view of one's own."""
    view = get_object_or_404(SavedView, pk=pk, owner=request.user)
    view.delete()
    messages.success(request, gettext("“%(view)s” is removed.") % {"view": view})
    return see_other("approvals:saved_views")


def _query(request: PersonRequest) -> str:
    """The search that was sent, in the words in which it is kept; what is wrong is left out."""
    params = QueryDict(request.POST.get("query", ""))
    tabs = [tab for tab in tabs_of(request.user) if isinstance(tab, Listing)]
    tab = next((tab for tab in tabs if tab.key == params.get("tab")), tabs[0])
    return Look(params, tab, request.user).query


def _page(
    request: PersonRequest,
    *,
    new: ViewForm | None = None,
    changed: ViewForm | None = None,
    query: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page, with what was typed into the form that could not be saved."""
    found = list(SavedView.objects.of(request.user).select_related("owner", "group"))
    mine = [view for view in found if view.owner == request.user]
    context = {
        "mine": [(view, changed if changed and changed.view == view else None) for view in mine],
        "others": [view for view in found if view.owner != request.user],
        "groups": request.user.groups.order_by("name"),
        "new": new,
        "query": query,
    }
    return render(request, "approvals/saved_views.html", context, status=status)
