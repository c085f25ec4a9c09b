from keyback.portal.methods import phone_pages
from keyback.portal.methods.sms.method import METHOD

urlpatterns = phone_pages.urls(METHOD)
