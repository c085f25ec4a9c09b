from django.urls import path

from keyback.portal.humancheck.views import image, sound
from keyback.portal.recovery.views.identify import first_password, identify, identify_by_characters
from keyback.portal.recovery.views.outcome import outcome
from keyback.portal.recovery.views.password import password, plain
from keyback.portal.recovery.views.prove import prove
from keyback.portal.recovery.views.unlock import choose_purpose, unlock
from keyback.portal.recovery.views.wait import state, wait

urlpatterns = [
    path("", identify, name="recover"),
    path("first", first_password, name="first_password"),
    path("characters", identify_by_characters, name="recover_by_characters"),
    path("characters/<str:token>/image", image, name="characters_image"),
    path("characters/<str:token>/sound", sound, name="characters_sound"),
    path("prove", prove, name="recover_prove"),
    path("wait", wait, name="recover_wait"),
    path("state", state, name="recover_state"),
    path("password", password, name="recover_password"),
    path("password/plain", plain, name="recover_password_plain"),
    path("purpose", choose_purpose, name="recover_purpose"),
    path("unlock", unlock, name="recover_unlock"),
    path("outcome", outcome, name="recover_outcome"),
]
