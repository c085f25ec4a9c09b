from django.urls import path

from keyback.portal.account.views import home, prove, sign_in

urlpatterns = [
    path("sign-in", sign_in.sign_in, name="sign_in"),
    path("sign-in/password", sign_in.password, name="sign_in_password"),
    path("sign-in/forgot", sign_in.forgot, name="sign_in_forgot"),
    path("sign-out", sign_in.sign_out, name="sign_out"),
    path("account/prove", prove.prove, name="account_prove"),
    path("account/proved", prove.proved, name="account_proved"),
    path("account", home.home, name="account"),
]
