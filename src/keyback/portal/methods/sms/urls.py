from keyback.portal.methods import phone_enrol, phone_pages
from keyback.portal.methods.sms.method import METHOD

urlpatterns = phone_pages.urls(METHOD)
enrolment = phone_enrol.urls(METHOD)
