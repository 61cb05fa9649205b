"""The registers as files: what municipal accountants open in a spreadsheet.

gather   spool → rows of a monthly register, page by page; what was not read yet is read in a worker
tables   rows → CSV, XLSX, JSON; one row at a time, the same bytes for the same rows
keeper   the loop that keeps `rejestry/` of every unit, and of the centre, as the spool says
"""
