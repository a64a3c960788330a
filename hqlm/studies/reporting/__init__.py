"""Reports of studies: words, tables and plots on one page."""
