"""The addresses of the people's door. Each method brings its own under /recover/<method>/."""

from django.urls import include, path
from django.views.generic import RedirectView

from keyback.portal import contact, screen, style
from keyback.portal.help.views import for_administrators, for_people
from keyback.portal.methods import enrolment_urls, installed, phone_keys

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="recover"), name="home"),
    path("recover/", include("keyback.portal.recovery.urls")),
    *(path(f"recover/{name}/", include(f"keyback.portal.methods.{name}.urls")) for name in installed()),
    path("", include("keyback.portal.account.urls")),
    *(path(f"security-info/{name}/", include(urls)) for name, urls in enrolment_urls().items()),
    path("gateway/keys", phone_keys.report, name="gateway_keys"),
    path("screen/over", screen.over, name="screen_over"),
    path("contact", contact.contact, name="contact"),
    path("contact/sent", contact.sent, name="contact_sent"),
    path("help", for_people, name="help"),
    path("help/administrators", for_administrators, name="help_administrators"),
    path("organization/<slug:slug>.css", style.stylesheet, name="organization_style"),
]

handler400 = "keyback.portal.errors.bad_request"
handler403 = "keyback.portal.errors.forbidden"
handler404 = "keyback.portal.errors.not_found"
handler500 = "keyback.portal.errors.server_error"
