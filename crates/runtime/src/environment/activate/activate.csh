# Use it as "source bin/activate.csh", in csh or tcsh; "deactivate" takes it back.

alias deactivate 'test $?_BEEP_OLD_PATH != 0 && setenv PATH "$_BEEP_OLD_PATH:q" && unset _BEEP_OLD_PATH; test $?_BEEP_OLD_PYTHONHOME != 0 && setenv PYTHONHOME "$_BEEP_OLD_PYTHONHOME:q" && unset _BEEP_OLD_PYTHONHOME; rehash; test $?_BEEP_OLD_PROMPT != 0 && set prompt="$_BEEP_OLD_PROMPT:q" && unset _BEEP_OLD_PROMPT; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; test "\!:*" != nondestructive && unalias deactivate'

# Whatever environment is active now.
deactivate nondestructive

setenv VIRTUAL_ENV @PATH@
setenv VIRTUAL_ENV_PROMPT @NAME@

set _BEEP_OLD_PATH="$PATH:q"
setenv PATH "${VIRTUAL_ENV:q}/bin:$PATH:q"

if ( $?PYTHONHOME ) then
    set _BEEP_OLD_PYTHONHOME="$PYTHONHOME:q"
    unsetenv PYTHONHOME
endif

if ( ! $?VIRTUAL_ENV_DISABLE_PROMPT && $?prompt ) then
    set _BEEP_OLD_PROMPT="$prompt:q"
    set prompt = "(@NAME@) $prompt:q"
endif

rehash
