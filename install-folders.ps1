# Foldery jednostki zdalnej w Windows: środowisko Pythona, program "sluza folders" i zadanie uruchamiane ze startem komputera.
# Nie był uruchamiany na Windows przez autorów; sprawdzane są tu tylko importy programu (tests/test_remote_imports.py).
#
#   powershell -ExecutionPolicy Bypass -File install-folders.ps1 -Server https://sluza.gmina.local:8443 `
#       -TokenFile C:\temp\sp1.token -CaFile C:\temp\ca.pem -Root D:\faktury
#
# Obok tego pliku mają leżeć: requirements-folders.lock i sluza-*.whl (na serwerze: python -m build --wheel).
param(
    [Parameter(Mandatory = $true)] [string] $Server,
    [Parameter(Mandatory = $true)] [string] $TokenFile,
    [Parameter(Mandatory = $true)] [string] $CaFile,
    [Parameter(Mandatory = $true)] [string] $Root,
    [string] $Home_ = "$env:ProgramData\Sluza",
    [string] $Wheels = ""
)
$ErrorActionPreference = "Stop"
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$python = Get-Command py -ErrorAction SilentlyContinue
if (-not $python) { throw "Nie ma Pythona. Proszę zainstalować Python 3.11 lub nowszy z python.org." }

# Katalog z tokenem czytają tylko administratorzy i SYSTEM, na którego koncie działa zadanie.
New-Item -ItemType Directory -Force $Home_ | Out-Null
& icacls $Home_ /inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" | Out-Null
Copy-Item -Force $TokenFile "$Home_\jednostka.token"
Copy-Item -Force $CaFile "$Home_\ca.pem"

& py -3 -m venv "$Home_\venv"
$pip = "$Home_\venv\Scripts\python.exe"
$offline = @(); if ($Wheels) { $offline = @("--no-index", "--find-links", $Wheels) }
& $pip -m pip install --require-hashes @offline -r "$here\requirements-folders.lock"
if ($LASTEXITCODE) { throw "Nie udało się zainstalować bibliotek." }
& $pip -m pip install --no-deps --no-index (Get-ChildItem "$here\sluza-*.whl" | Select-Object -First 1).FullName
if ($LASTEXITCODE) { throw "Nie udało się zainstalować programu." }

$arguments = "-m sluza folders --server $Server --token-file `"$Home_\jednostka.token`" --ca-file `"$Home_\ca.pem`" --root `"$Root`" --state `"$Home_\stan`""
$action = New-ScheduledTaskAction -Execute $pip -Argument $arguments
$settings = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) -ExecutionTimeLimit 0
Register-ScheduledTask -Force -TaskName "Sluza folders" -Action $action -Settings $settings -User "SYSTEM" `
    -Trigger (New-ScheduledTaskTrigger -AtStartup) | Out-Null
Start-ScheduledTask -TaskName "Sluza folders"
Write-Host "Gotowe. Foldery powstaną w $Root po pierwszym połączeniu z bramką; stan mówi plik STAN.txt."
