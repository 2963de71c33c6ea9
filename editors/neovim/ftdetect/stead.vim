autocmd BufNewFile,BufRead *.stead setfiletype stead
autocmd BufNewFile,BufRead *.j2,*.jinja,*.jinja2 setfiletype jinja
