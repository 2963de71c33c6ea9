" Blanks, comments and words of a Stead file.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1
setlocal expandtab shiftwidth=2 softtabstop=2
setlocal commentstring=#\ %s comments=:##,:#
setlocal iskeyword=@,48-57,_
setlocal formatoptions-=t formatoptions+=croql
setlocal smartindent
let b:undo_ftplugin = 'setlocal expandtab< shiftwidth< softtabstop< commentstring< comments< iskeyword< formatoptions< smartindent<'
