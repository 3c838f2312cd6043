# Use it as "source bin/activate.fish", in fish; "deactivate" takes it back.

function deactivate -d "Leave the environment"
    if set -q _BEEP_OLD_PATH
        set -gx PATH $_BEEP_OLD_PATH
        set -e _BEEP_OLD_PATH
    end
    if set -q _BEEP_OLD_PYTHONHOME
        set -gx PYTHONHOME $_BEEP_OLD_PYTHONHOME
        set -e _BEEP_OLD_PYTHONHOME
    end
    if functions -q _beep_old_fish_prompt
        functions -e fish_prompt
        functions -c _beep_old_fish_prompt fish_prompt
        functions -e _beep_old_fish_prompt
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    if test "$argv[1]" != nondestructive
        functions -e deactivate
    end
end

# Whatever environment is active now.
deactivate nondestructive

set -gx VIRTUAL_ENV @PATH@
set -gx VIRTUAL_ENV_PROMPT @NAME@

set -gx _BEEP_OLD_PATH $PATH
set -gx PATH $VIRTUAL_ENV/bin $PATH

if set -q PYTHONHOME
    set -gx _BEEP_OLD_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end

if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
    functions -c fish_prompt _beep_old_fish_prompt
    function fish_prompt
        printf "(@NAME@) "
        _beep_old_fish_prompt
    end
end
