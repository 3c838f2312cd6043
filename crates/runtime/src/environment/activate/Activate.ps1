# Use it as ". bin/Activate.ps1", in PowerShell; "deactivate" takes it back.

function global:deactivate([switch]$NonDestructive) {
    if (Test-Path variable:global:_BEEP_OLD_PATH) {
        $env:PATH = $global:_BEEP_OLD_PATH
        Remove-Variable -Name _BEEP_OLD_PATH -Scope Global
    }
    if (Test-Path variable:global:_BEEP_OLD_PYTHONHOME) {
        $env:PYTHONHOME = $global:_BEEP_OLD_PYTHONHOME
        Remove-Variable -Name _BEEP_OLD_PYTHONHOME -Scope Global
    }
    if (Test-Path function:global:_beep_old_prompt) {
        Copy-Item -Path function:global:_beep_old_prompt -Destination function:global:prompt
        Remove-Item -Path function:global:_beep_old_prompt
    }
    Remove-Item -Path env:VIRTUAL_ENV, env:VIRTUAL_ENV_PROMPT -ErrorAction SilentlyContinue
    if (-not $NonDestructive) {
        Remove-Item -Path function:global:deactivate
    }
}

# Whatever environment is active now.
deactivate -NonDestructive

$env:VIRTUAL_ENV = @PATH@
$env:VIRTUAL_ENV_PROMPT = '@NAME@'

$global:_BEEP_OLD_PATH = $env:PATH
$env:PATH = (Join-Path $env:VIRTUAL_ENV 'bin') + [System.IO.Path]::PathSeparator + $env:PATH

if (Test-Path env:PYTHONHOME) {
    $global:_BEEP_OLD_PYTHONHOME = $env:PYTHONHOME
    Remove-Item -Path env:PYTHONHOME
}

if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    Copy-Item -Path function:global:prompt -Destination function:global:_beep_old_prompt
    function global:prompt { "(@NAME@) " + (_beep_old_prompt) }
}
