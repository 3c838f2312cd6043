@rem Use it as "bin\activate.bat", in cmd; "bin\deactivate.bat" takes it back.
@if defined VIRTUAL_ENV call "%~dp0deactivate.bat"
@set "VIRTUAL_ENV=@PATH@"
@set "VIRTUAL_ENV_PROMPT=@NAME@"
@set "_BEEP_OLD_PATH=%PATH%"
@set "PATH=%VIRTUAL_ENV%\bin;%PATH%"
@if defined PYTHONHOME set "_BEEP_OLD_PYTHONHOME=%PYTHONHOME%"
@set PYTHONHOME=
@if not defined VIRTUAL_ENV_DISABLE_PROMPT set "_BEEP_OLD_PROMPT=%PROMPT%"
@if not defined VIRTUAL_ENV_DISABLE_PROMPT set "PROMPT=(@NAME@) %PROMPT%"
