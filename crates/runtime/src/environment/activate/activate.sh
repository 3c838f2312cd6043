# Use it as ". bin/activate", in sh, dash, bash, ksh or zsh; "deactivate" takes it back.

deactivate () {
    if [ "${_BEEP_OLD_PATH+set}" = set ]; then
        PATH=$_BEEP_OLD_PATH
        export PATH
        unset _BEEP_OLD_PATH
    fi
    if [ "${_BEEP_OLD_PYTHONHOME+set}" = set ]; then
        PYTHONHOME=$_BEEP_OLD_PYTHONHOME
        export PYTHONHOME
        unset _BEEP_OLD_PYTHONHOME
    fi
    if [ "${_BEEP_OLD_PS1+set}" = set ]; then
        PS1=$_BEEP_OLD_PS1
        unset _BEEP_OLD_PS1
    fi
    hash -r 2>/dev/null || :
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    if [ "${1-}" != nondestructive ]; then
        unset -f deactivate
    fi
}

# Whatever environment is active now.
deactivate nondestructive

VIRTUAL_ENV=@PATH@
VIRTUAL_ENV_PROMPT=@NAME@
export VIRTUAL_ENV VIRTUAL_ENV_PROMPT

_BEEP_OLD_PATH=${PATH-}
PATH=$VIRTUAL_ENV/bin${PATH:+:$PATH}
export PATH

if [ "${PYTHONHOME+set}" = set ]; then
    _BEEP_OLD_PYTHONHOME=$PYTHONHOME
    unset PYTHONHOME
fi

if [ -z "${VIRTUAL_ENV_DISABLE_PROMPT-}" ] && [ "${PS1+set}" = set ]; then
    _BEEP_OLD_PS1=$PS1
    PS1="(@NAME@) $PS1"
fi

hash -r 2>/dev/null || :
