" Colours without tree-sitter. The language server's own tokens win where Neovim shows them (0.9 and newer).
if exists('b:current_syntax')
  finish
endif

syntax keyword steadKeyword use type enum fn fact state node where let extend defaults as
syntax match steadKeyword /^\s*\zsinventory\ze\s*{/
syntax keyword steadConditional if else match
syntax keyword steadRepeat for
syntax keyword steadOperatorWord in not
syntax keyword steadBoolean true false
syntax keyword steadNone none
syntax keyword steadType Bool Int Float String Path Mode Duration Size Port Ip Cidr Hostname Url Regex Version Source Command Any List Map Optional Secret Ref
syntax keyword steadRoot facts data
syntax keyword steadRequisite require watch on_changes on_fail prereq listen contained
syntax keyword steadRequisite require_in watch_in on_changes_in on_fail_in prereq_in listen_in contained
" A keyword may name an attribute.
syntax match steadAttribute /\<\h\w*\ze\s*=\%([^=>]\|$\)/ contains=steadRequisite
syntax match steadMember /\.\s*\zs\h\w*/
syntax match steadResource /\<\h\w*\ze\s*\[\?"/
syntax match steadFunction /\<\h\w*\ze\s*(/
syntax match steadNumber /\<\d\w*\%(\.\d\w*\)\?/
syntax match steadMode /\<0[0-7]\{2,4\}\>/
syntax match steadArrow /->\|\~>\|=>/
syntax region steadString start=/"/ skip=/\\./ end=/"/ oneline contains=steadEscape,steadInterpolation
syntax region steadBlockString start=/"""/ skip=/\\./ end=/"""/ contains=steadEscape,steadInterpolation
syntax region steadRawString start=/\<r"/ end=/"/ oneline
syntax region steadRawString start=/\<r\z(#\+\)"/ end=/"\z1/
syntax match steadEscape /\\u{\x*}\|\\./ contained
syntax region steadInterpolation matchgroup=steadDelimiter start=/\${/ end=/}/ contained contains=TOP
syntax match steadComment /#.*/ contains=steadTodo,steadAllow
syntax match steadDocumentation /##.*/ contains=steadTodo
syntax match steadAllow /stead:\s*allow([^)]*)/ contained
syntax keyword steadTodo TODO FIXME XXX contained
syntax region steadFold start=/{/ end=/}/ transparent fold

highlight default link steadKeyword Keyword
highlight default link steadConditional Conditional
highlight default link steadRepeat Repeat
highlight default link steadOperatorWord Operator
highlight default link steadBoolean Boolean
highlight default link steadNone Constant
highlight default link steadType Type
highlight default link steadRoot Identifier
highlight default link steadRequisite PreProc
highlight default link steadAttribute Identifier
highlight default link steadMember Identifier
highlight default link steadResource Structure
highlight default link steadFunction Function
highlight default link steadNumber Number
highlight default link steadMode Number
highlight default link steadArrow Operator
highlight default link steadString String
highlight default link steadBlockString String
highlight default link steadRawString String
highlight default link steadEscape SpecialChar
highlight default link steadDelimiter Delimiter
highlight default link steadComment Comment
highlight default link steadDocumentation SpecialComment
highlight default link steadAllow PreProc
highlight default link steadTodo Todo

let b:current_syntax = 'stead'
