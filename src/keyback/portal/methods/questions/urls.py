from django.urls import path

from keyback.portal.methods.pages import start_asking
from keyback.portal.methods.questions import add, views
from keyback.portal.methods.questions.method import METHOD

urlpatterns = [
    path("", views.answer, name="questions_answer"),
    path("start", start_asking(METHOD.name, "questions_answer"), name="questions_start"),
]
enrolment = [path("", add.add, name="questions_add")]
