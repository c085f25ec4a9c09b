from django.urls import path

from keyback.portal.account.views import (
    directory_sign_in,
    home,
    not_me,
    openid_sign_in,
    password,
    prove,
    security_info,
    sign_in,
)

urlpatterns = [
    path("sign-in", sign_in.sign_in, name="sign_in"),
    path("sign-in/password", sign_in.password, name="sign_in_password"),
    path("sign-in/password/plain", directory_sign_in.plain, name="sign_in_plain"),
    path("sign-in/wait", directory_sign_in.wait, name="sign_in_wait"),
    path("sign-in/state", directory_sign_in.state, name="sign_in_state"),
    path("sign-in/result", directory_sign_in.result, name="sign_in_result"),
    path("sign-in/openid", openid_sign_in.go, name="sign_in_openid"),
    path("sign-in/openid/return", openid_sign_in.back, name="sign_in_openid_return"),
    path("sign-in/forgot", sign_in.forgot, name="sign_in_forgot"),
    path("sign-out", sign_in.sign_out, name="sign_out"),
    path("not-me/<uuid:recovery_id>/<str:proof>", not_me.not_me, name="not_me"),
    path("account/prove", prove.prove, name="account_prove"),
    path("account/proved", prove.proved, name="account_proved"),
    path("account", home.home, name="account"),
    path("account/password", password.change_password, name="change_password"),
    path("security-info", security_info.security_info, name="security_info"),
    path("security-info/asked", security_info.asked, name="security_info_asked"),
    path("security-info/confirm", security_info.confirmed, name="security_info_confirm"),
    path("security-info/default", security_info.default, name="security_info_default"),
    path("security-info/<uuid:entry_id>/remove", security_info.removal, name="security_info_remove"),
]
