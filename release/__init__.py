"""What a release is made with: change log, bill of materials, audit, wheel. The steps are in docs/release.md."""
