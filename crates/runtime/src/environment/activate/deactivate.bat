@rem Takes back what "bin\activate.bat" did.
@if defined _BEEP_OLD_PATH set "PATH=%_BEEP_OLD_PATH%"
@set _BEEP_OLD_PATH=
@if defined _BEEP_OLD_PYTHONHOME set "PYTHONHOME=%_BEEP_OLD_PYTHONHOME%"
@set _BEEP_OLD_PYTHONHOME=
@if defined _BEEP_OLD_PROMPT set "PROMPT=%_BEEP_OLD_PROMPT%"
@set _BEEP_OLD_PROMPT=
@set VIRTUAL_ENV=
@set VIRTUAL_ENV_PROMPT=
