from keyback.portal.methods import phone_pages
from keyback.portal.methods.call_mobile.method import METHOD

urlpatterns = phone_pages.urls(METHOD)
